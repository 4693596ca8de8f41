package import Domain
import JSON

extension StoreReader {
  /// All, oldest first: there are few.
  package func webhooks() throws(StoreError) -> [Webhook] {
    try connection.all("SELECT \(webhookColumns) FROM webhooks ORDER BY created_at, id", [], decodeWebhook)
  }

  package func webhook(_ id: ID<Webhook>) throws(StoreError) -> Webhook? {
    try connection.first("SELECT \(webhookColumns) FROM webhooks WHERE id = $1", [.text(id.rawValue)], decodeWebhook)
  }
}

extension StoreTransaction {
  /// `.conflict` when there is one from the configuration already and this is another.
  package func insert(_ webhook: Webhook) throws(StoreError) {
    try connection.run(
      """
      INSERT INTO webhooks (
        id, version, created_at, format, is_configured, types, is_enabled, disabled_reason, failing_since,
        former_secret_until)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
      """,
      [
        .text(webhook.id.rawValue), .integer(webhook.version), .moment(webhook.createdAt),
        .text(webhook.format.rawValue), .bool(webhook.isConfigured),
      ] + webhook.changeableColumns)
    try keepSecrets(webhook.storedSecrets, of: webhook.id.rawValue)
  }

  /// Writes a webhook back if nobody else has since it was read. Its format stays what it was.
  package func update(_ webhook: inout Webhook) throws(StoreError) -> Bool {
    let changed = try connection.run(
      """
      UPDATE webhooks SET version = version + 1, types = $3, is_enabled = $4, disabled_reason = $5, failing_since = $6,
        former_secret_until = $7
      WHERE id = $1 AND version = $2
      """, [.text(webhook.id.rawValue), .integer(webhook.version)] + webhook.changeableColumns)
    guard changed == 1 else { return false }
    webhook.version += 1
    try keepSecrets(webhook.storedSecrets, of: webhook.id.rawValue)
    return true
  }

  /// With its deliveries and its secrets. False when there is none.
  package func delete(webhook id: ID<Webhook>) throws(StoreError) -> Bool {
    try connection.run("DELETE FROM deliveries WHERE webhook_id = $1", [.text(id.rawValue)])
    try keepSecrets(nil, of: id.rawValue)
    return try connection.run("DELETE FROM webhooks WHERE id = $1", [.text(id.rawValue)]) == 1
  }
}

extension Webhook {
  /// From `types` to `former_secret_until`, in the order of both statements above.
  fileprivate var changeableColumns: [SQLValue] {
    [
      .utf8(JSONWriter.list { writer in for pattern in types.patterns { writer.element(pattern) } }),
      .bool(isEnabled), .text(disabledReason), .moment(failingSince), .moment(formerSecretUntil),
    ]
  }

  fileprivate var storedSecrets: [UInt8] {
    JSONWriter.document { writer in
      writer.member("url", url)
      writer.known("secret", secret?.hex)
      writer.known("former_secret", formerSecret?.hex)
    }
  }
}

extension WebhookSecret {
  fileprivate var hex: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  fileprivate init?(hex: String) {
    let digits = hex.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
    guard digits.count == hex.utf8.count, digits.count.isMultiple(of: 2) else { return nil }
    self.init(stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) })
  }
}

private let webhookColumns = """
  id, created_at, version, format, types, is_configured, is_enabled, disabled_reason, failing_since,
  former_secret_until, (SELECT document FROM secrets WHERE subject = webhooks.id)
  """

private func decodeWebhook(_ row: any SQLRow) throws(StoreError) -> Webhook {
  var row = RowReader(row)
  let (id, createdAt): (ID<Webhook>, Timestamp) = (try row.id(), row.moment())
  let version = row.integer()
  let format: WebhookFormat = try row.choice()
  var patterns: [String] = []
  for case .string(let pattern) in try StoredDocument.list(row.bytes()) { patterns.append(pattern) }
  var webhook = Webhook(id: id, url: "", format: format, types: EventTypes(patterns), createdAt: createdAt)
  webhook.version = version
  webhook.isConfigured = row.bool()
  webhook.isEnabled = row.bool()
  webhook.disabledReason = row.optionalText()
  webhook.failingSince = row.optionalMoment()
  webhook.formerSecretUntil = row.optionalMoment()
  let secrets = try row.document()
  guard let url = secrets.text("url") else { throw .corrupt(detail: "a webhook lacks its address") }
  webhook.url = url
  webhook.secret = secrets.text("secret").flatMap { WebhookSecret(hex: $0) }
  webhook.formerSecret = secrets.text("former_secret").flatMap { WebhookSecret(hex: $0) }
  return webhook
}
