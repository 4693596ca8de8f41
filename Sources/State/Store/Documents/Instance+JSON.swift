import Domain
import JSON

// The documents in an instance's row.

extension RentalOrder {
  /// Without environment and login, see `storedSecrets`.
  var stored: [UInt8] {
    JSONWriter.document { writer in
      writer.member("offer_id", offerID)
      writer.member("label", label)
      writer.known("image", image)
      writer.known("template_hash", templateHash)
      writer.member("disk_gb", diskGigabytes)
      if !ports.isEmpty { writer.texts("ports", ports) }
      writer.known("onstart", onStart)
      writer.known("bid_per_hour", bidPerHour)
    }
  }

  init(stored document: StoredDocument) throws(StoreError) {
    guard let offerID = document.integer("offer_id"), let label = document.text("label"),
      let diskGigabytes = document.int("disk_gb")
    else { throw .corrupt(detail: "an order lacks its offer, label or disk") }
    self.init(offerID: offerID, label: label, image: document.text("image"), diskGigabytes: diskGigabytes)
    templateHash = document.text("template_hash")
    ports = document.texts("ports") ?? []
    onStart = document.text("onstart")
    bidPerHour = document.money("bid_per_hour")
  }
}

extension OfferQuery {
  var stored: [UInt8] {
    JSONWriter.document { writer in
      writer.known("gpu_name", gpuName)
      writer.known("num_gpus", gpuCount)
      writer.known("min_gpu_ram_gb", minimumGPURAMGigabytes)
      writer.known("min_disk_gb", minimumDiskGigabytes)
      writer.known("max_price_per_hour", maximumPricePerHour)
      writer.known("min_reliability", minimumReliability)
      writer.known("min_cuda", minimumCUDA)
      if !regions.isEmpty { writer.texts("regions", regions) }
      if isInterruptible { writer.member("interruptible", true) }
      writer.known("bid_per_hour", bidPerHour)
      if let isVerified { writer.member("verified", isVerified) }
      writer.member("selection", selection.rawValue)
      if !excludedMachines.isEmpty { writer.integers("exclude_machines", excludedMachines) }
      if !excludedHosts.isEmpty { writer.integers("exclude_hosts", excludedHosts) }
      if !filters.isEmpty { writer.textsByName("filters", filters) }
      writer.known("offer_id", offerID)
    }
  }

  init(stored document: StoredDocument) {
    self.init()
    gpuName = document.text("gpu_name")
    gpuCount = document.int("num_gpus")
    minimumGPURAMGigabytes = document.number("min_gpu_ram_gb")
    minimumDiskGigabytes = document.number("min_disk_gb")
    maximumPricePerHour = document.money("max_price_per_hour")
    minimumReliability = document.number("min_reliability")
    minimumCUDA = document.number("min_cuda")
    regions = document.texts("regions") ?? []
    isInterruptible = document.bool("interruptible") ?? false
    bidPerHour = document.money("bid_per_hour")
    isVerified = document.bool("verified")
    selection = document.choice("selection") ?? selection
    excludedMachines = Set(document.integers("exclude_machines") ?? [])
    excludedHosts = Set(document.integers("exclude_hosts") ?? [])
    filters = document.textsByName("filters") ?? [:]
    offerID = document.integer("offer_id")
  }
}

extension Instance {
  /// The column `observation`: what the provider last said, and what the loops count about it. No query looks inside.
  var storedObservation: [UInt8] {
    JSONWriter.document { writer in
      writer.known("market_status", marketStatus)
      writer.known("intended_status", intendedStatus)
      writer.known("status_message", statusMessage)
      writer.known("contract_started_at", contractStartedAt)
      writer.known("booted_at", bootedAt)
      if let directAddress { writer.object("direct") { directAddress.write(to: &$0) } }
      if let proxyAddress { writer.object("proxy") { proxyAddress.write(to: &$0) } }
      if let sshAddress { writer.object("ssh") { sshAddress.write(to: &$0) } }
      if offersTried != 0 { writer.member("offers_tried", offersTried) }
      if absences != 0 { writer.member("absences", absences) }
      writer.known("absent_since", absentSince)
      if errorSightings != 0 { writer.member("error_sightings", errorSightings) }
      writer.known("gpu_utilization", gpuUtilization)
      writer.known("idle_since", idleSince)
      if idleTime != .zero { writer.known("idle_us", idleTime) }
      if watchedTime != .zero { writer.known("watched_us", watchedTime) }
      if idleCost != .zero { writer.known("idle_cost", idleCost) }
      if let idleStop { writer.object("idle_stop") { idleStop.write(to: &$0) } }
    }
  }

  mutating func restoreObservation(_ document: StoredDocument) {
    marketStatus = document.text("market_status")
    intendedStatus = document.text("intended_status")
    statusMessage = document.text("status_message")
    contractStartedAt = document.moment("contract_started_at")
    bootedAt = document.moment("booted_at")
    directAddress = document.document("direct").flatMap { SSHAddress(stored: $0) }
    proxyAddress = document.document("proxy").flatMap { SSHAddress(stored: $0) }
    sshAddress = document.document("ssh").flatMap { SSHAddress(stored: $0) }
    offersTried = document.int("offers_tried") ?? 0
    absences = document.int("absences") ?? 0
    absentSince = document.moment("absent_since")
    errorSightings = document.int("error_sightings") ?? 0
    gpuUtilization = document.number("gpu_utilization")
    idleSince = document.moment("idle_since")
    idleTime = document.span("idle_us") ?? .zero
    watchedTime = document.span("watched_us") ?? .zero
    idleCost = document.money("idle_cost") ?? .zero
    idleStop = document.document("idle_stop").flatMap { IdleStop(stored: $0) }
  }
}

extension IdleStop {
  fileprivate func write(to writer: inout JSONWriter) {
    writer.known("span_us", idleness.span)
    writer.known("cost", idleness.cost)
    writer.known("asked_at", askedAt)
  }

  fileprivate init?(stored document: StoredDocument) {
    guard let span = document.span("span_us"), let cost = document.money("cost") else { return nil }
    self.init(Idleness(span: span, cost: cost), askedAt: document.moment("asked_at"))
  }
}

extension SSHAddress {
  fileprivate func write(to writer: inout JSONWriter) {
    writer.member("host", host)
    writer.member("port", port)
  }

  fileprivate init?(stored document: StoredDocument) {
    guard let host = document.text("host"), let port = document.integer("port").flatMap({ UInt16(exactly: $0) }) else {
      return nil
    }
    self.init(host: host, port: port)
  }
}
