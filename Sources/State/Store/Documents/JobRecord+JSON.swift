import Domain
import JSON

// The smaller columns of a job: what became of it.

extension Failure {
  var stored: [UInt8] { JSONWriter.document { write(to: &$0) } }

  func write(to writer: inout JSONWriter) {
    writer.member("code", code)
    writer.member("detail", detail)
    if isRetryable { writer.member("retryable", true) }
  }

  init(stored document: StoredDocument) {
    self.init(
      code: document.text("code") ?? "unknown", detail: document.text("detail") ?? "",
      isRetryable: document.bool("retryable") ?? false)
  }
}

extension Job.Quote {
  var stored: [UInt8] {
    JSONWriter.document { writer in
      writer.member("offer_id", offerID)
      writer.member("gpu_name", gpuName)
      writer.known("price_per_hour", pricePerHour)
      writer.known("storage_per_hour", storagePerHour)
      writer.known("transfer", transfer)
      writer.known("total", total)
      writer.known("made_at", madeAt)
      writer.known("ceiling", ceiling)
    }
  }

  init?(stored document: StoredDocument) {
    guard let offerID = document.integer("offer_id"), let price = document.money("price_per_hour"),
      let madeAt = document.moment("made_at")
    else { return nil }
    self.init(offerID: offerID, gpuName: document.text("gpu_name") ?? "", pricePerHour: price, madeAt: madeAt)
    storagePerHour = document.money("storage_per_hour")
    transfer = document.money("transfer")
    total = document.money("total")
    // What an older release approved is not bounded.
    ceiling = document.money("ceiling")
  }
}

extension Job.Results {
  var stored: [UInt8] {
    JSONWriter.document { writer in
      writer.member("size_bytes", sizeBytes)
      writer.member("sha256", sha256)
      if !missing.isEmpty { writer.texts("missing", missing) }
    }
  }

  init?(stored document: StoredDocument) {
    guard let sizeBytes = document.integer("size_bytes"), let sha256 = document.text("sha256") else { return nil }
    self.init(sizeBytes: sizeBytes, sha256: sha256, missing: document.texts("missing") ?? [])
  }
}

extension [Job.Attempt] {
  var stored: [UInt8] {
    JSONWriter.list { writer in
      for attempt in self {
        writer.object { writer in
          writer.member("number", attempt.number)
          writer.member("instance_id", attempt.instanceID.rawValue)
          writer.known("machine_id", attempt.machineID)
          if attempt.hasLaunched { writer.member("launched", true) }
          writer.known("checkpoint_id", attempt.checkpointID?.rawValue)
          if attempt.logStart > 0 { writer.member("log_start", attempt.logStart) }
          writer.known("started_at", attempt.startedAt)
          writer.known("finished_at", attempt.finishedAt)
          if let failure = attempt.failure { writer.object("failure") { failure.write(to: &$0) } }
        }
      }
    }
  }

  init(stored bytes: [UInt8]) throws(StoreError) {
    self = []
    for document in try StoredDocument.documents(bytes) {
      guard let number = document.int("number"), let instanceID: ID<Instance> = document.id("instance_id"),
        let startedAt = document.moment("started_at")
      else { throw .corrupt(detail: "an attempt lacks its number, instance or start") }
      var attempt = Job.Attempt(
        number: number, instanceID: instanceID, machineID: document.integer("machine_id"), startedAt: startedAt)
      attempt.hasLaunched = document.bool("launched") ?? false
      attempt.checkpointID = document.id("checkpoint_id")
      attempt.logStart = document.integer("log_start") ?? 0
      attempt.finishedAt = document.moment("finished_at")
      attempt.failure = document.document("failure").map { Failure(stored: $0) }
      append(attempt)
    }
  }
}

extension [Job.Phase] {
  var stored: [UInt8] {
    JSONWriter.list { writer in
      for phase in self {
        writer.object { writer in
          writer.member("name", phase.name)
          writer.known("started_at", phase.startedAt)
          writer.known("finished_at", phase.finishedAt)
        }
      }
    }
  }

  init(stored bytes: [UInt8]) throws(StoreError) {
    self = []
    for document in try StoredDocument.documents(bytes) {
      guard let name = document.text("name"), let startedAt = document.moment("started_at") else {
        throw .corrupt(detail: "a phase lacks its name or start")
      }
      append(.init(name: name, startedAt: startedAt, finishedAt: document.moment("finished_at")))
    }
  }
}

extension Set<Int64> {
  var stored: [UInt8] {
    JSONWriter.list { writer in for item in sorted() { writer.element(item) } }
  }

  init(stored bytes: [UInt8]) throws(StoreError) {
    self = []
    for case .integer(let item) in try StoredDocument.list(bytes) { insert(item) }
  }
}
