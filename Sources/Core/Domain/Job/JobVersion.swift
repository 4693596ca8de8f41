/// Which job, and whether it changed: what a cache of rendered jobs needs to know.
package struct JobVersion: Sendable, Hashable {
  package var id: ID<Job>
  package var version: Int64

  package init(id: ID<Job>, version: Int64) {
    self.id = id
    self.version = version
  }
}
