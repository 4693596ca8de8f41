import Domain
import FleetService
import Glibc
import Locking
import Store
import TestSupport
import Testing

@Suite struct `Deliveries that a caller asks for` {
  private enum End: CaseIterable { case deleted, disabled }
  private enum Wish: CaseIterable { case test, replay }

  /// The transaction of the end is under way when the caller asks: all that can be read still says that the webhook is there.
  @Test(arguments: End.allCases, Wish.allCases)
  private func `one for a webhook that is ending at that moment is refused`(end: End, wish: Wish) async throws {
    let world = try FleetWorld()
    let request = WebhookRequest(url: "https://a.example", format: .cloudevents, types: EventTypes(), secret: nil)
    let id = try await world.fleet.createWebhook(request, idempotency: nil).made.id
    let delivery = try await world.fleet.testWebhook(id)
    try await world.store.write { (tx) throws(StoreError) in
      var over = delivery
      (over.state, over.nextAttemptAt) = (.delivered, nil)
      _ = try tx.update(over)
    }
    let (isInside, mayEnd) = (Locked(false), Locked(false))
    let store = world.store
    let ending = Task {
      try await store.write { (tx) throws(StoreError) in
        isInside.withLock { $0 = true }
        // The store's own thread, which nobody else needs meanwhile.
        while !mayEnd.withLock({ $0 }) { usleep(1000) }
        switch end {
        case .deleted: _ = try tx.delete(webhook: id)
        case .disabled:
          guard var webhook = try tx.webhook(id) else { return }
          webhook.isEnabled = false
          _ = try tx.update(&webhook)
        }
      }
    }
    await eventually { isInside.withLock { $0 } }
    let asking = Task {
      do throws(FleetError) {
        _ = wish == .test ? try await world.fleet.testWebhook(id) : try await world.fleet.replay(delivery.id, of: id)
        return nil as FleetError?
      } catch {
        return error
      }
    }
    try await ContinuousClock().pause(for: .milliseconds(50))
    mayEnd.withLock { $0 = true }
    try await ending.value
    switch (end, await asking.value) {
    case (.deleted, .notFound("webhook")): break
    case (.disabled, .conflict("webhook_disabled", let detail)): #expect(detail.contains("enabled: true"))
    case (_, let other): Issue.record("\(String(describing: other))")
    }
    await world.store.close()
  }
}
