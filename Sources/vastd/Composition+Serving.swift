import SSHShell
import Store
import HTTPClient
import FleetService
import Telemetry
import Reconcilers
import HTTPServer
import Locking
import Logging

extension Composition {
  /// How long requests under way may take once the service is asked to end; Kubernetes allows 30 s in all by default.
  static let grace = Duration.seconds(15)

  /// Runs the loops until SIGTERM or SIGINT, then ends in order: no new work, answers out, loops parked, store closed.
  /// Commands on rented machines run on; the next start finds them by their files.
  func serve(until endings: Int32) async {
    await Self.clock.keep(in: store, logger: logger)
    await settleWebhook()
    let loops = Task { await runLoops() }
    logger.notice(
      "listening",
      metadata: [
        "address": "\(configuration.listen.host):\(api.port)",
        "probes": "\(probes.map { "\(configuration.probeListen?.host ?? ""):\($0.port)" } ?? "")",
        "authentication": "\(configuration.token == nil ? "off, loopback only" : "bearer")",
      ].filter { $0.value != "" })
    let signal = await withCheckedContinuation { continuation in
      startThread(name: "signals") { continuation.resume(returning: waitForEnd(on: endings)) }
    }
    logger.notice("draining", metadata: ["signal": "\(signal)"])
    fleet.beginDraining()
    await api.drain(grace: Self.grace)
    loops.cancel()
    await leases.close()
    await jobs.close()
    await instances.close()
    await deliveries.close()
    await loops.value
    await probes?.drain(grace: .seconds(1))
    shell.close()
    client.shutdown()
    webhookClient.shutdown()
    await store.close()
    logger.notice("ended")
    logs.flush()
  }

  /// Without it vastd rents, runs and destroys all the same.
  private func settleWebhook() async {
    do throws(StoreError) {
      guard try await ConfiguredWebhook.settle(url: configuration.slackWebhookURL, in: store, at: currentTime()) else {
        return
      }
      logger.notice("Slack webhook settled", metadata: ["enabled": "\(configuration.slackWebhookURL != nil)"])
    } catch {
      logger.error("Slack webhook not settled", metadata: ["error": "\(error)"])
    }
  }

  private func runLoops() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await poller.run() }
      group.addTask { await deliveries.run() }
      for driver in drivers { group.addTask { await driver.run() } }
    }
  }
}
