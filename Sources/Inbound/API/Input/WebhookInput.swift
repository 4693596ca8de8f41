import Domain
import EventFormats
import FleetService

/// Reads the bodies of POST /v1/webhooks and PATCH /v1/webhooks/{id}.
enum WebhookInput {
  static func request(_ body: [UInt8], allowsPrivate: Bool) throws(APIError) -> WebhookRequest {
    let problems = FieldProblems()
    let reader = ObjectReader(try JSONBody.object(body), problems: problems)
    let url = url(reader, allowsPrivate)
    if !reader.has("url") { reader.wrong("url", "is required") as Void? }
    let format = reader.choice("format", of: WebhookFormat.self) ?? .cloudevents
    let secret = secret(reader)
    if format == .slack, reader.has("secret") {
      reader.wrong("secret", "is not for format slack, whose URL is the secret") as Void?
    }
    let request = WebhookRequest(url: url ?? "", format: format, types: types(reader) ?? EventTypes(), secret: secret)
    reader.finish()
    try problems.check()
    return request
  }

  static func changes(
    _ body: [UInt8], of format: WebhookFormat, allowsPrivate: Bool
  ) throws(APIError) -> WebhookChanges {
    let problems = FieldProblems()
    let reader = ObjectReader(try JSONBody.object(body), problems: problems)
    var changes = WebhookChanges()
    changes.url = url(reader, allowsPrivate)
    changes.types = types(reader)
    changes.isEnabled = reader.flag("enabled")
    changes.secret = secret(reader)
    if reader.flag("rotate_secret") == true {
      if reader.has("secret") { reader.wrong("rotate_secret", "cannot come with secret: give one of them") as Void? }
      changes.secret = .random()
    }
    if format == .slack, changes.secret != nil {
      reader.wrong(reader.has("secret") ? "secret" : "rotate_secret", "is not for format slack") as Void?
    }
    reader.finish()
    try problems.check()
    return changes
  }

  private static func url(_ reader: ObjectReader, _ allowsPrivate: Bool) -> String? {
    reader.string("url", TextRule { WebhookURL.complaint($0, allowsPrivate: allowsPrivate) })
  }

  private static func types(_ reader: ObjectReader) -> EventTypes? {
    let rule = TextRule { text in
      EventTypes.isPattern(text) ? nil : "must be a type of event or a pattern: job.succeeded, instance.*, *"
    }
    return reader.strings("types", limit: Limits.webhookTypes, rule).map { EventTypes($0) }
  }

  private static func secret(_ reader: ObjectReader) -> WebhookSecret? {
    let rule = TextRule { text in
      WebhookSecret(text: text) == nil ? "must be whsec_ and the base64 of 24 to 64 bytes" : nil
    }
    return reader.string("secret", rule).flatMap { WebhookSecret(text: $0) }
  }
}
