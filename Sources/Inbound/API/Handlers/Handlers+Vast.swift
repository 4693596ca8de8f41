import Domain
import FleetService
import HTTPServer
import Locking

extension Handlers {
  /// No token: Vast's signature is the key. Where no webhook is registered there is nothing here.
  func receiveVastNotification(_ call: Call) throws(APIError) -> Reception {
    try refuseQuery(call)
    guard let secret = try asking({ () throws(FleetError) in try fleet.vastWebhookSecret() }) else {
      throw .noSuchPath
    }
    return .respondLater(bodyLimit: Limits.notificationBytes) { [self] request in
      await call.answerLater(faults) { () async throws(APIError) in
        guard
          let notification = VastNotification(call.head, body: request.body, secret: secret, now: fleet.moment())
        else { throw .badSignature }
        if seenNotifications.withLock({ $0.note(notification.eventID) }) { fleet.lookSooner() }
        return Response(status: 204, headers: [("X-Request-Id", call.context.requestID)], context: call.context)
      }
    }
  }
}
