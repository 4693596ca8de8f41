import HTTPServer

extension Handlers {
  /// The whole API.
  func routes() -> [Route] {
    systemRoutes() + [
      Route(.get, "/openapi.yaml", .getOpenAPIYAML, nil, .now(openAPIYAML)),
      Route(.get, "/openapi.json", .getOpenAPIJSON, nil, .now(openAPIJSON)),

      Route(.post, "/webhooks/vast", .receiveVastNotification, nil, .decide(receiveVastNotification)),

      Route(.get, "/v1/offers", .listOffers, .read, .decide(listOffers)),
      Route(.post, "/v1/offers/search", .searchOffers, .read, .later(.json, searchOffers)),

      Route(.post, "/v1/uploads", .createUpload, .operate, .decide(createUpload)),

      Route(.post, "/v1/jobs", .createJob, .operate, .later(.json, createJob)),
      Route(.post, "/v1/jobs/plan", .planJob, .read, .later(.json, planJob)),
      Route(.get, "/v1/jobs", .listJobs, .read, .now(listJobs)),
      Route(.get, "/v1/jobs/{id}", .getJob, .read, .now(getJob)),
      Route(.post, "/v1/jobs/{id}/approve", .approveJob, .operate, .later(.none, approveJob)),
      Route(.post, "/v1/jobs/{id}/cancel", .cancelJob, .operate, .later(.none, cancelJob)),
      Route(.post, "/v1/jobs/{id}/retry", .retryJob, .operate, .later(.none, retryJob)),
      Route(.get, "/v1/jobs/{id}/logs", .getJobLogs, .read, .now(getJobLogs)),
      Route(.get, "/v1/jobs/{id}/results", .getJobResults, .read, .now(getJobResults)),
      Route(.get, "/v1/jobs/{id}/report", .getJobReport, .read, .now(getJobReport)),

      Route(.get, "/v1/jobs/{id}/checkpoints", .listCheckpoints, .read, .now(listCheckpoints)),
      Route(.get, "/v1/jobs/{id}/checkpoints/{checkpoint}", .getCheckpoint, .read, .now(getCheckpoint)),

      Route(.post, "/v1/instances", .createInstance, .operate, .later(.json, createInstance)),
      Route(.post, "/v1/instances/plan", .planInstance, .read, .later(.json, planInstance)),
      Route(.get, "/v1/instances", .listInstances, .read, .now(listInstances)),
      Route(.get, "/v1/instances/{id}", .getInstance, .read, .now(getInstance)),
      Route(.delete, "/v1/instances/{id}", .deleteInstance, .operate, .later(.none, deleteInstance)),
      Route(.get, "/v1/instances/{id}/ssh", .getInstanceSSH, .operate, .now(getInstanceSSH)),

      Route(.get, "/v1/events", .listEvents, .read, .now(listEvents)),
      Route(.get, "/v1/events/stream", .streamEvents, .read, .now(streamEvents)),
      Route(.post, "/v1/webhooks", .createWebhook, .admin, .later(.json, createWebhook)),
      Route(.get, "/v1/webhooks", .listWebhooks, .admin, .now(listWebhooks)),
      Route(.get, "/v1/webhooks/{id}", .getWebhook, .admin, .now(getWebhook)),
      Route(.patch, "/v1/webhooks/{id}", .updateWebhook, .admin, .later(.json, updateWebhook)),
      Route(.delete, "/v1/webhooks/{id}", .deleteWebhook, .admin, .later(.none, deleteWebhook)),
      Route(.post, "/v1/webhooks/{id}/test", .testWebhook, .admin, .later(.none, testWebhook)),
      Route(.get, "/v1/webhooks/{id}/deliveries", .listDeliveries, .admin, .now(listDeliveries)),
      Route(
        .post, "/v1/webhooks/{id}/deliveries/{delivery}/replay", .replayDelivery, .admin, .later(.none, replayDelivery)),

      Route(.get, "/v1/billing/reconciliation", .getReconciliation, .read, .later(.none, getReconciliation)),
      Route(.get, "/v1/account", .getAccount, .read, .later(.none, getAccount)),
      Route(.get, "/v1/price-increases", .listPriceIncreases, .read, .now(listPriceIncreases)),
      Route(.get, "/v1/price-increases/{id}", .getPriceIncrease, .read, .now(getPriceIncrease)),
      Route(
        .post, "/v1/price-increases/{id}/accept", .acceptPriceIncrease, .operate,
        .later(.optionalJSON, acceptPriceIncrease)),
      Route(
        .post, "/v1/price-increases/{id}/refuse", .refusePriceIncrease, .operate, .later(.none, refusePriceIncrease)),

      Route(.get, "/v1/billing/events", .listBillingEvents, .read, .later(.none, listBillingEvents)),
      Route(.get, "/v1/billing/summary", .getBillingSummary, .read, .later(.none, getBillingSummary)),
      Route(.get, "/v1/billing/budget", .getBudget, .read, .later(.none, getBudget)),
      Route(.put, "/v1/billing/budget", .updateBudget, .admin, .later(.json, updateBudget)),

      Route(.get, "/v1/orphans", .listOrphans, .admin, .now(listOrphans)),
      Route(.get, "/v1/exclusions", .listExclusions, .read, .now(listExclusions)),
      Route(.delete, "/v1/exclusions/{id}", .deleteExclusion, .operate, .later(.none, deleteExclusion)),
      Route(.get, "/v1/settings", .getSettings, .admin, .now(getSettings)),
      Route(.put, "/v1/settings", .updateSettings, .admin, .later(.json, updateSettings)),
    ]
  }

  /// What orchestrators and Prometheus ask; all that a probe listener serves. Beside a probe listener the main one keeps
  /// these but not the metrics.
  func systemRoutes() -> [Route] {
    [
      Route(.get, "/health", .getHealth, nil, .now(health)),
      Route(.get, "/livez", .getLiveness, nil, .now(liveness)),
      Route(.get, "/readyz", .getReadiness, nil, .now(readiness)),
    ] + (servesMetrics ? [Route(.get, "/metrics", .getMetrics, nil, .now(metrics))] : [])
  }
}
