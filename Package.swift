// swift-tools-version: 6.2
import PackageDescription

// Targets stand in the order a request travels. What a target lists here is all that it may import:
// `scripts/check-imports` compares these lists with the `import` lines of every file.

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
  name: "vastd",
  products: [
    .executable(name: "vastd", targets: ["vastd"]),
    .executable(name: "vast-sim", targets: ["vast-sim"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
  ],
  targets: [
    // The program.
    .executableTarget(
      name: "vastd",
      dependencies: [
        "HTTPServer", "API", "Domain", "FleetService", "Reconcilers", "Store", "SQLiteDriver", "Artifacts",
        "MarketplaceLayers", "VastMarketplace", "HTTPClient", "WebhookSender", "SSHShell", "Telemetry", "JSON",
        "Locking", "Failpoints", "CSystem",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Sources/vastd",
      swiftSettings: strict),

    // Inbound: how requests come in.
    .target(
      name: "HTTPServer",
      dependencies: ["CMicrohttpd", "CSystem", "Locking"],
      path: "Sources/Inbound/HTTPServer",
      swiftSettings: strict),
    .target(
      name: "API",
      dependencies: [
        "HTTPServer", "FleetService", "EventFormats", "Domain", "Telemetry", "JSON", "Locking", "CCrypto",
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Sources/Inbound/API",
      resources: [
        .embedInCode("Specification/openapi.yaml"), .embedInCode("Specification/openapi.json"),
      ],
      swiftSettings: strict),

    // Core: what the service means.
    .target(
      name: "Domain", dependencies: [], path: "Sources/Core/Domain", swiftSettings: strict),
    .target(
      name: "EventFormats", dependencies: ["Domain", "JSON"], path: "Sources/Core/EventFormats", swiftSettings: strict),
    .target(
      name: "FleetService",
      dependencies: [
        "Domain", "Store", "Artifacts", "Locking",
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Sources/Core/FleetService",
      swiftSettings: strict),
    .target(
      name: "Reconcilers",
      dependencies: [
        "Domain", "Store", "Artifacts", "Locking",
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Sources/Core/Reconcilers",
      swiftSettings: strict),

    // State: what it remembers.
    .target(
      name: "Store",
      dependencies: ["Domain", "JSON", "Locking", "Failpoints"],
      path: "Sources/State/Store",
      resources: [
        .embedInCode("Migrations/V0001_main_job.sqlite.sql"), .embedInCode("Migrations/V0002_webhooks.sqlite.sql"),
        .embedInCode("Migrations/V0003_recovery.sqlite.sql"),
        .embedInCode("Migrations/V0004_revival.sqlite.sql"),
        .embedInCode("Migrations/V0005_ledger_sums.sqlite.sql"),
        .embedInCode("Migrations/V0006_budgets.sqlite.sql"),
        .embedInCode("Migrations/V0007_price_increases.sqlite.sql"),
        .embedInCode("Migrations/V0008_charges.sqlite.sql"),
      ],
      swiftSettings: strict),
    .target(
      name: "SQLiteDriver",
      dependencies: ["Store", "CSQLite"],
      path: "Sources/State/SQLiteDriver",
      swiftSettings: strict),

    // The files it keeps beside the database: uploads, logs, results.
    .target(
      name: "Artifacts",
      dependencies: ["Domain", "CArchive", "CCrypto", "CSystem", "Locking", "Failpoints"],
      path: "Sources/State/Artifacts",
      swiftSettings: strict),

    // Outbound: what it commands.
    .target(
      name: "MarketplaceLayers",
      dependencies: ["Domain", "Telemetry", "Locking", "Failpoints"],
      path: "Sources/Outbound/MarketplaceLayers",
      swiftSettings: strict),
    .target(
      name: "VastMarketplace",
      dependencies: ["Domain", "HTTPClient", "JSON", "CSystem", "Locking"],
      path: "Sources/Outbound/VastMarketplace",
      swiftSettings: strict),
    .target(
      name: "HTTPClient",
      dependencies: ["CCurl", "Locking"],
      path: "Sources/Outbound/HTTPClient",
      swiftSettings: strict),
    .target(
      name: "WebhookSender",
      dependencies: ["HTTPClient", "EventFormats", "Domain", "CCrypto"],
      path: "Sources/Outbound/WebhookSender",
      swiftSettings: strict),
    .target(
      name: "SSHShell",
      dependencies: ["Domain", "CSystem", "Locking", "Failpoints"],
      path: "Sources/Outbound/SSHShell",
      swiftSettings: strict),

    // Everywhere: importable from any layer.
    .target(
      name: "Telemetry",
      dependencies: ["CSystem", "Locking", "JSON", .product(name: "Logging", package: "swift-log")],
      path: "Sources/Everywhere/Telemetry",
      swiftSettings: strict),
    .target(name: "JSON", dependencies: [], path: "Sources/Everywhere/JSON", swiftSettings: strict),
    .target(
      name: "Failpoints", dependencies: ["CSystem", "Locking"], path: "Sources/Everywhere/Failpoints",
      swiftSettings: strict),
    .target(
      name: "Locking", dependencies: ["CSystem"], path: "Sources/Everywhere/Locking",
      swiftSettings: strict),

    // The simulator of Vast.ai.
    .target(
      name: "Simulator",
      dependencies: ["HTTPServer", "JSON", "Locking", "CSystem", "CInit"],
      path: "Sources/Simulator",
      swiftSettings: strict),
    .executableTarget(
      name: "vast-sim",
      dependencies: [
        "Simulator", "JSON", "Locking",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Sources/vast-sim",
      swiftSettings: strict),

    // System libraries, each behind a header of typed shims (no variadics, no C enums).
    .target(
      name: "CMicrohttpd", path: "Sources/SystemLibraries/CMicrohttpd",
      linkerSettings: [.linkedLibrary("microhttpd")]),
    .target(
      name: "CCurl", path: "Sources/SystemLibraries/CCurl",
      linkerSettings: [.linkedLibrary("curl")]),
    .target(
      name: "CSQLite", path: "Sources/SystemLibraries/CSQLite",
      linkerSettings: [.linkedLibrary("sqlite3")]),
    .target(
      name: "CArchive", path: "Sources/SystemLibraries/CArchive",
      linkerSettings: [.linkedLibrary("archive"), .linkedLibrary("z")]),
    .target(
      name: "CCrypto", path: "Sources/SystemLibraries/CCrypto",
      linkerSettings: [.linkedLibrary("crypto")]),
    .target(name: "CSystem", path: "Sources/SystemLibraries/CSystem"),
    // Not a library but a process: the init of a simulated container.
    .target(name: "CInit", path: "Sources/SystemLibraries/CInit"),

    // Not a library either: the hook through which a simulation gets Swift's tasks onto its one thread.
    .target(name: "CExecutor", path: "Sources/SystemLibraries/CExecutor"),

    // Tests: one folder per target.
    .target(
      name: "TestSupport",
      dependencies: ["Domain", "Locking", "CSystem"],
      path: "Tests/TestSupport",
      swiftSettings: strict),
    // The core on one thread, by the dice of a seed; `scripts/chaos seeds` runs it.
    .executableTarget(
      name: "simulate",
      dependencies: [
        "Domain", "FleetService", "Reconcilers", "Store", "SQLiteDriver", "Artifacts", "MarketplaceLayers", "Locking",
        "TestSupport", "CExecutor", .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Tests/Simulation", swiftSettings: strict),
    .testTarget(
      name: "HTTPServerTests", dependencies: ["HTTPServer", "Locking", "CSystem", "TestSupport"],
      path: "Tests/HTTPServerTests", swiftSettings: strict),
    .testTarget(
      name: "APITests",
      dependencies: [
        "API", "HTTPServer", "FleetService", "Domain", "Artifacts", "Store", "SQLiteDriver", "Telemetry", "JSON",
        "Locking", "TestSupport", .product(name: "Logging", package: "swift-log"),
      ],
      path: "Tests/APITests", swiftSettings: strict),
    .testTarget(
      name: "DomainTests", dependencies: ["Domain", "Locking", "TestSupport"],
      path: "Tests/DomainTests", swiftSettings: strict),
    .testTarget(
      name: "EventFormatsTests", dependencies: ["EventFormats", "Domain", "JSON"], path: "Tests/EventFormatsTests",
      swiftSettings: strict),
    .testTarget(
      name: "FleetServiceTests",
      dependencies: [
        "FleetService", "Domain", "Artifacts", "Store", "SQLiteDriver", "Locking", "TestSupport",
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Tests/FleetServiceTests", swiftSettings: strict),
    .testTarget(
      name: "ReconcilersTests",
      dependencies: [
        "Reconcilers", "Domain", "Artifacts", "Store", "SQLiteDriver", "Locking", "TestSupport",
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Tests/ReconcilersTests", swiftSettings: strict),
    .testTarget(
      name: "StoreTests",
      dependencies: ["Store", "SQLiteDriver", "CSQLite", "CSystem", "Domain", "Locking", "TestSupport"],
      path: "Tests/StoreTests", swiftSettings: strict),
    .testTarget(
      name: "ArtifactsTests",
      dependencies: ["Artifacts", "Domain", "Locking", "CSystem", "TestSupport"],
      path: "Tests/ArtifactsTests", swiftSettings: strict),
    .testTarget(
      name: "MarketplaceLayersTests",
      dependencies: ["MarketplaceLayers", "Domain", "Telemetry", "Locking", "TestSupport"],
      path: "Tests/MarketplaceLayersTests", swiftSettings: strict),
    .testTarget(
      name: "VastMarketplaceTests",
      dependencies: ["VastMarketplace", "HTTPClient", "Domain", "JSON", "Locking", "TestSupport"],
      path: "Tests/VastMarketplaceTests", exclude: ["Recordings"], swiftSettings: strict),
    .testTarget(
      name: "HTTPClientTests",
      dependencies: ["HTTPClient", "HTTPServer", "Locking", "CSystem", "TestSupport"],
      path: "Tests/HTTPClientTests", swiftSettings: strict),
    .testTarget(
      name: "WebhookSenderTests",
      dependencies: [
        "WebhookSender", "HTTPClient", "HTTPServer", "EventFormats", "Domain", "Locking", "TestSupport",
      ],
      path: "Tests/WebhookSenderTests", swiftSettings: strict),
    .testTarget(
      name: "SSHShellTests",
      dependencies: ["SSHShell", "Domain", "Locking", "CSystem", "TestSupport"],
      path: "Tests/SSHShellTests", swiftSettings: strict),
    .testTarget(
      name: "TelemetryTests",
      dependencies: [
        "Telemetry", "JSON", "Locking", "CSystem", .product(name: "Logging", package: "swift-log"),
      ],
      path: "Tests/TelemetryTests", swiftSettings: strict),
    .testTarget(
      name: "LockingTests", dependencies: ["Locking", "TestSupport"], path: "Tests/LockingTests",
      swiftSettings: strict),
    .testTarget(
      name: "FailpointsTests", dependencies: ["Failpoints", "Locking", "TestSupport"], path: "Tests/FailpointsTests",
      swiftSettings: strict),
    .testTarget(
      name: "JSONTests", dependencies: ["JSON"], path: "Tests/JSONTests", swiftSettings: strict),
    .testTarget(
      name: "SimulatorTests",
      dependencies: [
        "Simulator", "VastMarketplace", "Domain", "HTTPServer", "HTTPClient", "JSON", "Locking", "CSystem",
        "TestSupport",
      ],
      path: "Tests/SimulatorTests", exclude: ["Recordings"], swiftSettings: strict),
    .testTarget(
      name: "EndToEndTests",
      dependencies: ["HTTPClient", "JSON", "Locking", "CSystem", "CCrypto", "TestSupport"],
      path: "Tests/EndToEndTests", swiftSettings: strict),
  ])
