import Testing

@testable import HTTPServer

@Suite struct TimerWheelTests {
  private let second: Int64 = 1_000_000_000

  @Test func `items come up in their tick and not before`() {
    var wheel = TimerWheel(now: 0)
    wheel.file(1, at: second, now: 0)
    wheel.file(2, at: 2 * second, now: 0)
    #expect(wheel.advance(to: second - 1) == [])
    #expect(wheel.advance(to: second) == [1])
    #expect(wheel.advance(to: 3 * second) == [2])
    #expect(wheel.count == 0)
    #expect(wheel.nextDue == nil)
  }

  @Test func `an item that is filed again moves, and one that is removed stays away`() {
    var wheel = TimerWheel(now: 0)
    for item in 0..<5 { wheel.file(item, at: second, now: 0) }
    wheel.file(2, at: 3 * second, now: 0)
    wheel.remove(0)
    wheel.remove(0)
    wheel.remove(4)
    #expect(Set(wheel.advance(to: second)) == [1, 3])
    #expect(wheel.nextDue == 3 * second)
    #expect(wheel.advance(to: 3 * second) == [2])
  }

  @Test func `what lies beyond the ring comes up at its reach`() {
    var wheel = TimerWheel(now: 0)
    let look = wheel.file(7, at: 3600 * second, now: 0)
    #expect(look == TimerWheel.reach)
    #expect(wheel.advance(to: look) == [7])
  }

  @Test func `after a long sleep everything that is due comes up once`() {
    var wheel = TimerWheel(now: 0)
    for item in 0..<50 { wheel.file(item, at: Int64(item) * second / 10, now: 0) }
    #expect(Set(wheel.advance(to: 1000 * second)) == Set(0..<50))
    #expect(wheel.advance(to: 2000 * second) == [])
  }

  @Test func `an item that is filed long after the last look is not lost`() {
    var wheel = TimerWheel(now: 0)
    let now = 500 * second
    wheel.file(3, at: now + second, now: now)
    // The wheel may be looked at too early, never too late.
    #expect(wheel.nextDue! <= now + second)
    #expect(wheel.advance(to: now) == [])
    #expect(wheel.nextDue == now + second)
    #expect(wheel.advance(to: now + second) == [3])
  }

  @Test func `a random history agrees with a plain list`() {
    var generator = SystemRandomNumberGenerator()
    var wheel = TimerWheel(now: 0)
    var plain: [Int: Int64] = [:]
    var now: Int64 = 0
    for _ in 0..<20_000 {
      let item = Int.random(in: 0..<40, using: &generator)
      switch Int.random(in: 0..<4, using: &generator) {
      case 0:
        wheel.remove(item)
        plain[item] = nil
      case 1:
        now += Int64.random(in: 0..<(3 * second), using: &generator)
        let due = Set(wheel.advance(to: now))
        let tick = now / TimerWheel.tickNanoseconds * TimerWheel.tickNanoseconds
        #expect(due == Set(plain.filter { $0.value <= tick }.keys))
        for item in due { plain[item] = nil }
      default:
        plain[item] = wheel.file(item, at: now + Int64.random(in: 0..<(5 * second), using: &generator), now: now)
      }
    }
    #expect(wheel.count == plain.count)
  }
}
