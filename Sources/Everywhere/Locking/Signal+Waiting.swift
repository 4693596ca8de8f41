extension Signal {
  /// Returns once the count differs from `seen`, the span has passed, or the task is cancelled.
  package func wait(after seen: UInt64, upTo span: Duration, clock: any Clock<Duration>) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.wait(after: seen) }
      group.addTask {
        do { try await clock.pause(for: span) } catch { return }
      }
      await group.next()
      group.cancelAll()
    }
  }
}
