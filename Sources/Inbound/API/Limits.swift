import Domain
import FleetService

/// How much a caller may ask for at once, each with its reason.
enum Limits {
  // MARK: Requests

  /// The largest job that anybody wrote by hand is some kilobytes; scripts belong into the upload.
  static let jsonBodyBytes = 1 << 20
  /// No real body needs ten levels; each costs the parser a stack frame.
  static let jsonDepth = 64
  /// As the draft on Idempotency-Key and Stripe have it.
  static let idempotencyKeyBytes = 255
  /// 16 random characters hold at least 64 bits.
  static let shortestToken = 16
  /// Tokens of any provider stay below; more is an attack on the digest.
  static let longestToken = 4096

  // MARK: Lists

  static let defaultPageSize = 50
  /// Some 500 kB of JSON; larger wishes are granted this much.
  static let maximumPageSize = 500
  /// As a repeated filter value list (`state=a,b`): every state fits.
  static let filterValues = 20

  /// What a follower of a log may lag behind before the file waits for it.
  static let followedLogBytes = 256 << 10

  // MARK: Events

  /// Listeners of the event stream at once. Each holds a connection and some kilobytes; a dashboard for every engineer fits.
  static let eventStreams = 2000
  /// What a listener may lag behind before it is cut off and has to come again: some thousand events, whose bytes all listeners
  /// share.
  static let streamedEventBytes = 1 << 20
  /// One of Vast's notifications has a kilobyte or two; whoever may send here has shown nothing yet.
  static let notificationBytes = 64 << 10
  /// Patterns of types of one webhook.
  static let webhookTypes = 50

  // MARK: Money

  /// Two years and a day, to hold one year against the other.
  static let summaryDays = 732
  /// A page of a spreadsheet; what is left out is told in one sum.
  static let summaryItems = 100
  static let maximumSummaryItems = 1000
  /// Each is looked at every few seconds and before every rental.
  static let budgetLabels = 200
  /// A hundred times what the dearest month of a large team costs; more is a slip of the hand.
  static let budgetDollars = 1e8

  // MARK: Text

  static let nameCharacters = 128
  /// Vast takes 256 for a label, of which our tag needs up to 71.
  static let labelCharacters = 128
  /// Runs through `bash` as a file, so no limit of the kernel's on arguments applies; more belongs into the upload.
  static let scriptBytes = 64 << 10
  /// Vast's limit on the arguments and the start script of a container together.
  static let onStartBytes = 4096
  /// Docker's limit on a reference is 255 for the name and 128 for the tag, a digest adds 72.
  static let imageCharacters = 455
  /// Vast's hashes have 32 hex digits.
  static let templateHashCharacters = 64
  static let gpuNameCharacters = 64

  // MARK: Environment

  /// Vast's limit on a variable's name.
  static let environmentNameCharacters = 256
  /// Vast's limit on all of `env` together.
  static let environmentBytes = 32768
  static let environmentEntries = 256

  // MARK: Jobs

  static let outputs = 64
  /// PATH_MAX of Linux, less the job's folder.
  static let outputPathBytes = 3800
  /// 90 days: a rental of Vast's rarely lasts longer.
  static let longestDurationSeconds = 90 * 86400
  /// More often than every ten seconds a copy would follow the last without a pause; beyond a day it is none.
  static let checkpointSeconds = 10...86400
  /// Below a minute, the hiccups of any line would end machines; beyond 30 days nobody waits for a leak to end itself.
  static let leaseSeconds = 60...30 * 86400
  static let gpuIdleSeconds = IdleGPU.boundSeconds
  /// Each attempt rents a machine.
  static let attempts = 20
  static let priority = -1000...1000
  /// A typo guard: no single job of this service costs more.
  static let largestAmountDollars = 1_000_000.0

  /// A thousand terabytes: more than any machine sends in 90 days.
  static let transferGigabytes = 0.0...1_000_000.0

  // MARK: Machines

  /// The largest machines at Vast have 16 GPUs; 64 leaves room.
  static let gpuCount = 1...64
  /// Largest GPU memory on the horizon, in gigabytes.
  static let gpuRAMGigabytes = 0.0...2048.0
  /// Below 8 GB no CUDA image unpacks; above 64 TB no host has the disk.
  static let diskGigabytes = 8...65536
  static let searchDiskGigabytes = 0.0...65536.0
  static let cudaVersion = 0.0...99.0
  static let reliability = 0.0...1.0
  /// The dearest offers cost tens of dollars an hour; a price above is a typo.
  static let largestPricePerHourDollars = 10_000.0
  /// More than there are countries with hosts.
  static let regions = 64
  static let excludedMachines = 1000
  static let filters = 32
  static let filterListValues = 256
  static let filterTextCharacters = 256
  /// Vast maps at most 64 ports, SSH's among them.
  static let ports = 63
  /// Each is a rental of its own, paced at 4.5 s.
  static let instancesAtOnce = Fleet.maximumCount
  /// Vast returns no more.
  static let offers = 64
}
