/// What a caller can ask for. Raw values are the operationIds of openapi.yaml; a test compares the two.
package enum Operation: String, Sendable, Hashable, CaseIterable {
  case getHealth
  case getLiveness
  case getReadiness
  case getMetrics
  case getOpenAPIYAML
  case getOpenAPIJSON

  case listOffers
  case searchOffers

  case createUpload

  case createJob
  case planJob
  case listJobs
  case getJob
  case approveJob
  case cancelJob
  case retryJob
  case getJobLogs
  case getJobResults
  case getJobReport
  case listCheckpoints
  case getCheckpoint

  case createInstance
  case planInstance
  case listInstances
  case getInstance
  case deleteInstance
  case getInstanceSSH

  case receiveVastNotification
  case listEvents
  case streamEvents
  case createWebhook
  case listWebhooks
  case getWebhook
  case updateWebhook
  case deleteWebhook
  case testWebhook
  case listDeliveries
  case replayDelivery

  case getReconciliation
  case getAccount
  case listPriceIncreases
  case getPriceIncrease
  case acceptPriceIncrease
  case refusePriceIncrease

  case listBillingEvents
  case getBillingSummary
  case getBudget
  case updateBudget

  case listOrphans
  case listExclusions
  case deleteExclusion
  case getSettings
  case updateSettings
}

/// What a token may do; each scope includes those before it.
package enum Scope: String, Sendable, Hashable, CaseIterable, Comparable {
  case read
  case operate
  case admin

  private var rank: Int {
    switch self {
    case .read: 0
    case .operate: 1
    case .admin: 2
    }
  }

  package static func < (left: Scope, right: Scope) -> Bool { left.rank < right.rank }
}
