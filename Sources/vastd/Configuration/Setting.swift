/// One thing that can be configured: its name in the file, its variable in the environment, its default.
struct Setting: Sendable, Hashable {
  /// In `config/*.json`, and on the command line with dashes.
  let name: String
  /// In the environment.
  let variable: String
  let standard: String?
  let isSecret: Bool
  let help: String

  init(_ name: String, _ variable: String, default standard: String? = nil, secret: Bool = false, _ help: String) {
    self.name = name
    self.variable = variable
    self.standard = standard
    isSecret = secret
    self.help = help
  }
}

extension Setting {
  static let apiKey = Setting("vast_api_key", "VAST_API_KEY", secret: true, "the account's key at Vast.ai")
  static let apiKeyFile = Setting(
    "vast_api_key_file", "VAST_API_KEY_FILE", "a file that holds the key; read again when it changes")
  static let vastURL = Setting("vast_url", "VAST_URL", default: "https://console.vast.ai", "where Vast.ai answers")
  static let listen = Setting("listen", "VASTD_LISTEN", default: "127.0.0.1:8080", "address and port of the API")
  static let probeListen = Setting(
    "probe_listen", "VASTD_PROBE_LISTEN", "a second address for probes and metrics, which are then only there")
  static let token = Setting("token", "VASTD_TOKEN", secret: true, "the admin token")
  static let tokenFile = Setting("token_file", "VASTD_TOKEN_FILE", "a file that holds the admin token")
  static let databaseURL = Setting(
    "database_url", "VASTD_DATABASE_URL", "sqlite:PATH; by default in the data directory")
  static let dataDirectory = Setting(
    "data_dir", "VASTD_DATA_DIR", default: "./data", "database, uploads, results and SSH keys; mode 0700")
  static let pollInterval = Setting(
    "poll_interval_s", "VASTD_POLL_INTERVAL_S", default: "30",
    "between two lists of all instances, while nothing changes")
  static let priceInterval = Setting(
    "price_interval_s", "VASTD_PRICE_INTERVAL_S", default: "300",
    "between two looks at the price increases that hosts announce")
  static let cacheEnabled = Setting(
    "cache_enabled", "VASTD_CACHE_ENABLED", default: "true", "whether offers are cached")
  static let cacheTTL = Setting("cache_ttl_s", "VASTD_CACHE_TTL_S", default: "30", "how long offers stay fresh")
  static let timeout = Setting("timeout_s", "VASTD_TIMEOUT_S", default: "30", "for one call to Vast.ai")
  static let retries = Setting("retries", "VASTD_RETRIES", default: "3", "of calls that are safe to repeat")
  static let pacing = Setting(
    "pacing", "VASTD_PACING", default: "1",
    "scales the intervals that Vast.ai asks for; 0 turns them off, for a simulator only")
  static let rateLimitMode = Setting(
    "rate_limit_mode", "RATE_LIMIT_MODE", default: "queue",
    "queue: callers wait for Vast.ai's pace; reject: they get 429 with Retry-After at once")
  static let fallback = Setting(
    "vastai_fallback", "VASTAI_FALLBACK", default: "false",
    "whether reads get older answers while Vast.ai fails, and writes that need it are held")
  static let settle = Setting(
    "settle_s", "VASTD_SETTLE_S", default: "90", "how long lists must lack a rental of unknown outcome")
  static let startTimeout = Setting(
    "start_timeout_s", "VASTD_START_TIMEOUT_S", default: "300", "for an instance to run")
  static let sshTimeout = Setting("ssh_timeout_s", "VASTD_SSH_TIMEOUT_S", default: "120", "then for its SSH to answer")
  static let lease = Setting(
    "lease_s", "VASTD_LEASE_S", default: "21600",
    "after which a job's machine ends itself when vastd is gone, for jobs that do not say; 0 for never")
  static let idleGPUStop = Setting(
    "idle_gpu_stop_s", "VASTD_IDLE_GPU_STOP_S", default: "0",
    "after which a command under idle GPUs is ended, and a machine without a job is stopped; 60 to 86400, 0 for never")
  static let approval = Setting(
    "approval", "VASTD_APPROVAL", default: "never",
    "which jobs that do not say wait for approval: always; without_budget: those with neither max_cost_usd nor both max_duration_s and max_price_per_hour_usd; never"
  )
  static let lowCredit = Setting(
    "low_credit_hours", "VASTD_LOW_CREDIT_HOURS", default: "24",
    "raise an event when the credit lasts less than this at the current rate; 0 for never")
  static let reconcileInterval = Setting(
    "reconcile_interval_s", "VASTD_RECONCILE_INTERVAL_S", default: "3600",
    "between two comparisons of the ledger with Vast.ai's charges; the first comes at the start")
  static let owner = Setting(
    "owner", "VASTD_OWNER", "names this installation in the tag on every label; made at first start")
  static let publicURL = Setting(
    "public_url", "VASTD_PUBLIC_URL", "where Vast.ai can reach this service over https; registers a webhook there")
  static let slackWebhookURL = Setting(
    "slack_webhook_url", "VASTD_SLACK_WEBHOOK_URL", secret: true, "a Slack channel's incoming webhook")
  static let webhookAllowPrivate = Setting(
    "webhook_allow_private", "VASTD_WEBHOOK_ALLOW_PRIVATE", default: "false",
    "whether webhooks may lead to private addresses and speak plain http")
  static let logLevel = Setting(
    "log_level", "VASTD_LOG_LEVEL", default: "info", "trace, debug, info, notice, warning, error")
  static let logFormat = Setting("log_format", "VASTD_LOG_FORMAT", default: "json", "json or text")

  /// In the order in which `vastd config` prints them.
  static let all: [Setting] = [
    apiKey, apiKeyFile, vastURL, listen, probeListen, token, tokenFile, databaseURL, dataDirectory, pollInterval,
    priceInterval, cacheEnabled, cacheTTL, timeout, retries, pacing, rateLimitMode, fallback, settle, startTimeout,
    sshTimeout, lease, idleGPUStop, approval, lowCredit, reconcileInterval, owner, publicURL, slackWebhookURL,
    webhookAllowPrivate, logLevel,
    logFormat,
  ]
}
