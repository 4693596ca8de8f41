/// Where ids get their chance: the system, unless a simulation that must repeat itself exactly has bound a source of its own.
package final class Chance: RandomNumberGenerator, Sendable {
  @TaskLocal package static var present: Chance?

  private let draw: @Sendable () -> UInt64

  package init(draw: @escaping @Sendable () -> UInt64) { self.draw = draw }

  package func next() -> UInt64 { draw() }

  /// 0 to 1.
  package static var fraction: Double {
    if var generator = present { return Double.random(in: 0...1, using: &generator) }
    return Double.random(in: 0...1)
  }
}
