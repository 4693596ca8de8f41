import Locking
import Logging
import Domain

extension InstanceReconciler {
  /// Direct reads in a row that must say "gone", each after a list of its own that lacks it.
  static let absencesThatProve = 2

  /// Writes down the intent, then asks. Asked again and again until a read shows it gone; never given up.
  func destroy(_ instance: Instance) async {
    var row = instance
    if row.state != .destroying {
      let moved = await change(instance, event: .destroyAsked) { row, now in
        row.destroyAskedAt = now
        row.absences = 0
        row.absentSince = nil
      }
      guard moved == true, let current = current(instance) else { return }
      row = current
    }
    guard row.state == .destroying, let id = row.marketID else { return }
    lastDestroyCalls.withLock { $0[row.id] = now() }
    do throws(MarketplaceError) {
      try await marketplace.destroy(id)
      logger.info("destroy accepted", metadata: metadata(row))
    } catch {
      switch error {
      case .notFound: logger.info("destroy found nothing", metadata: metadata(row))
      default:
        logger.error("destroy failed", metadata: metadata(row, ["code": "\(error.code)", "error": "\(error.detail)"]))
      }
    }
    lastDestroyCalls.withLock { $0[row.id] = now() }
    signals.instances.raise()
  }

  /// A complete list lacked it. A direct read has the word; two of them, each after a list of its own, settle it.
  func confirmAbsence(of instance: Instance, listedAt: Timestamp) async {
    guard let id = instance.marketID else { return }
    let seen: MarketInstance?
    do throws(MarketplaceError) {
      seen = try await marketplace.readInstance(id)
    } catch {
      guard error == .notFound else {
        logger.warning("absence not confirmed", metadata: metadata(instance, ["code": "\(error.code)"]))
        return
      }
      seen = nil
    }
    if let seen {
      _ = await change(instance, event: nil) { row, now in row.observe(seen, at: now) }
      return
    }
    let proves = instance.isAbsenceProven(by: Self.absencesThatProve)
    let event: InstanceEvent? = proves ? (instance.state == .destroying ? .goneProven : .vanished) : nil
    let changed = await change(instance, event: event) { row, now in
      row.absences += 1
      row.absentSince = row.state == .destroying ? listedAt : row.absentSince
      guard proves else { return }
      if row.state == .destroying {
        row.destroyedAt = now
      } else {
        row.stoppedAt = now
        row.marketStatus = nil
        row.failure = Failure(
          code: "instance_gone", detail: "The instance is gone though nobody here destroyed it.", isRetryable: true)
      }
    }
    if changed == true, event == .goneProven { await forget(instance) }
  }

  private func forget(_ instance: Instance) async {
    lastDestroyCalls.withLock { $0[instance.id] = nil }
    lastProofs.withLock { $0[instance.id] = nil }
    if let address = instance.sshAddress {
      await shell.forget(RemoteHost(address: address, pinName: instance.pinName))
    }
  }
}

extension Instance {
  /// Whether one more read that says "gone" is enough.
  fileprivate func isAbsenceProven(by needed: Int) -> Bool {
    absences + 1 >= needed
  }
}
