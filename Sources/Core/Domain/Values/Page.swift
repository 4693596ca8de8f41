/// A page of a list, newest first: those made before `before`, at most `limit`.
package struct PageRequest: Sendable, Hashable {
  package var limit: Int
  package var before: PagePosition?

  package init(limit: Int = 50, before: PagePosition? = nil) {
    self.limit = limit
    self.before = before
  }
}

/// Where a page ended: the moment and the id of its last item, which together order a list.
package struct PagePosition: Sendable, Hashable {
  package var createdAt: Timestamp
  package var id: String

  package init(createdAt: Timestamp, id: String) {
    self.createdAt = createdAt
    self.id = id
  }
}

package struct Page<Item: Sendable>: Sendable {
  package var items: [Item]
  /// Nil on the last page.
  package var next: PagePosition?

  package init(items: [Item], next: PagePosition?) {
    self.items = items
    self.next = next
  }
}

package struct JobFilter: Sendable, Hashable {
  package var states: Set<JobState> = []
  package var name: String?
  package init() {}
}

package struct InstanceFilter: Sendable, Hashable {
  package var states: Set<InstanceState> = []
  package var label: String?
  package var jobID: ID<Job>?
  package init() {}
}
