import Domain

/// What the provider charges for a contract, to the last digit, as Vast.ai does: GPUs for the seconds in which the container runs
/// and its host is heard of; the disk from the making of the contract to its end, but not while the host is silent.
extension Contract {
  /// When its container ran, for as long as the contract lasts; the last run may be open.
  private var runs: [Range<Duration>] {
    switch fate {
    case .neverBoots, .bootFails: earlierRuns
    case .ends: earlierRuns + [bootsAt..<(end ?? bootsAt)]
    case .well, .deaf, .silent: earlierRuns + [bootsAt..<Self.never]
    }
  }

  private var silence: Range<Duration>? {
    guard case .silent(let after, let lasting) = fate else { return nil }
    return (bootsAt + after)..<(bootsAt + after + lasting)
  }

  /// After everything.
  static let never = Duration.seconds(1 << 40)

  /// Micro-dollars for GPUs and disk that a span comes to.
  func cost(in span: Range<Duration>) -> (gpu: Double, storage: Double) {
    let life = createdAt..<max(createdAt, destroyedAt ?? Self.never)
    func charged(_ time: Range<Duration>) -> Double {
      let time = time.clamped(to: life).clamped(to: span)
      let silent = silence?.clamped(to: time)
      return ((time.upperBound - time.lowerBound) - (silent.map { $0.upperBound - $0.lowerBound } ?? .zero))
        .exactSeconds
    }
    let running = runs.reduce(0) { $0 + charged($1) }
    return (
      Double(gpuPerHour.microdollars) * running / 3600,
      Double(Self.storagePerHour.microdollars) * charged(life) / 3600
    )
  }

  func totalCost(in span: Range<Duration>) -> Double {
    let (gpu, storage) = cost(in: span)
    return gpu + storage
  }

  /// What it may cost by the hour from `now` on, unless somebody starts it once more.
  func rateAhead(at now: Duration) -> Money {
    guard isAlive else { return .zero }
    switch fate {
    case .neverBoots, .bootFails: return Self.storagePerHour
    case .well, .deaf, .silent: return pricePerHour
    case .ends: return now < end ?? .zero ? pricePerHour : Self.storagePerHour
    }
  }

  /// Each moment in its life at which what it costs by the hour changes, and how.
  var changes: [Change] {
    var found: [Change] = []
    let gpu = Double(gpuPerHour.microdollars)
    let all = gpu + Double(Self.storagePerHour.microdollars)
    for run in runs {
      found.append(Change(at: run.lowerBound, kind: .boots, perHour: gpu))
      if run.upperBound < Self.never { found.append(Change(at: run.upperBound, kind: .ends, perHour: gpu)) }
    }
    if let silence {
      found.append(Change(at: silence.lowerBound, kind: .ends, perHour: all))
      found.append(Change(at: silence.upperBound, kind: .isBack, perHour: all))
    }
    return found.filter { $0.at < destroyedAt ?? Self.never }.sorted { $0.at < $1.at }
  }

  struct Change {
    enum Kind {
      /// The provider tells since when its container runs.
      case boots
      /// Something less is charged: the container ended, or its host fell silent.
      case ends
      case isBack
    }

    let at: Duration
    let kind: Kind
    /// Micro-dollars.
    let perHour: Double
  }
}

/// What of a contract has come to whoever lived.
struct Looks {
  /// An answer that came: at which moment it was true, and when it was heard.
  struct Answer {
    let trueAt: Duration
    let heardAt: Duration
  }

  /// Lists and reads that showed it.
  var shown: [Answer] = []
  /// Direct reads that truly found it gone.
  var gone: [Answer] = []
  /// When the row of the instance took over what an answer showed.
  private(set) var noted: [Duration] = []

  /// Told again and again; the same moment once more is no news.
  mutating func note(_ moment: Duration) {
    if noted.last.map({ $0 < moment }) ?? true { noted.append(moment) }
  }

  /// At which moment what was noted then was true, at the earliest: a list from before the last that was noted is not noted.
  private func trueAt(_ index: Int) -> Duration {
    let since = index > 0 ? noted[index - 1] : .zero
    return shown.filter { $0.trueAt > since && $0.heardAt <= noted[index] }.map(\.trueAt).min() ?? since
  }

  /// The first that was noted and came after a change, with how old it may have been; nil when the change was never seen.
  func first(after change: Duration) -> (noted: Duration, age: Duration, before: Duration?)? {
    for index in noted.indices {
      let trueAt = trueAt(index)
      if trueAt >= change { return (noted[index], noted[index] - trueAt, index > 0 ? noted[index - 1] : nil) }
    }
    return nil
  }
}

extension Duration {
  /// Unrounded.
  var exactSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
