import JSON

/// What a search asks the price for.
struct Quote {
  /// GB that the price includes.
  var storage: Double
  var isBid: Bool
}

extension Offer {
  /// The row a search answers with.
  func row(_ quote: Quote, rentable: Bool, now: Double) -> JSONObject {
    let gpu = machine.gpu
    let count = Double(gpus)
    let base = quote.isBid ? floor ?? basePrice : basePrice
    let disk = diskPrice(quote.storage)
    let total = base + disk
    var row = Row()
    row["id"] = .int(id)
    row["ask_contract_id"] = .int(id)
    row["bundle_id"] = .int(1_618_000_000 + machine.id)
    row["bundled_results"] = .null
    row["machine_id"] = .int(machine.id)
    row["host_id"] = .int(machine.host)
    row["hosting_type"] = .int(machine.isDatacenter ? 1 : 0)
    row["hostname"] = .null
    row["resource_type"] = .string(machine.gpus == 0 ? "cpu" : "gpu")
    row["cluster_id"] = .null
    row["gpu_name"] = machine.gpus == 0 ? .null : .string(gpu.name)
    row["gpu_arch"] = machine.gpus == 0 ? .null : .string("nvidia")
    row["num_gpus"] = .int(gpus)
    row["gpu_ids"] = .list(slots.map { machine.id * 16 + $0 })
    row["gpu_frac"] = .number(fraction)
    row["gpu_lanes"] = .int(16)
    row["gpu_ram"] = .int(gpu.memory)
    row["gpu_total_ram"] = .int(gpu.memory * gpus)
    row["gpu_mem_bw"] = .number(gpu.bandwidth)
    row["gpu_max_power"] = .number(gpu.watts)
    row["gpu_max_temp"] = .number(84)
    row["gpu_display_active"] = .bool(false)
    row["bw_nvlink"] = .number(machine.isDatacenter && gpus > 1 ? 300 : 0)
    row["compute_cap"] = .int(gpu.capability)
    row["total_flops"] = .number(gpu.teraflops * count)
    row["dlperf"] = .number(gpu.learningScore * count)
    row["dlperf_per_dphtotal"] = .number(gpu.learningScore * count / total)
    row["flops_per_dphtotal"] = .number(gpu.teraflops * count / total)
    row["vram_costperhour"] = gpu.memory == 0 ? .null : .number(total / Double(gpu.memory * max(gpus, 1)))
    row["cuda_max_good"] = .number(machine.cuda)
    row["driver_version"] = .string(machine.driver)
    row["driver_vers"] = .int(driverNumber)
    row["cpu_name"] = .string("Made-Up 64-Core Processor")
    row["cpu_arch"] = .string("amd64")
    row["cpu_cores"] = .int(machine.cores)
    row["cpu_cores_effective"] = .number(effectiveCores)
    row["cpu_ghz"] = .number(3.4)
    row["cpu_ram"] = .int(machine.cpuMemory)
    row["has_avx"] = .int(1)
    row["mobo_name"] = .string("EXAMPLE-8X")
    row["pci_gen"] = .number(4)
    row["pcie_bw"] = .number(24.1)
    row["os_version"] = .string("22.04")
    row["disk_name"] = .string("EXAMPLE NVME 8TB")
    row["disk_space"] = .number(machine.disk)
    row["disk_bw"] = .number(5120)
    row["inet_up"] = .number(machine.up)
    row["inet_down"] = .number(machine.down)
    row["inet_up_cost"] = .number(machine.upCost)
    row["inet_down_cost"] = .number(machine.downCost)
    row["internet_up_cost_per_tb"] = .number(machine.upCost * 1000)
    row["internet_down_cost_per_tb"] = .number(machine.downCost * 1000)
    row["static_ip"] = .bool(machine.isDatacenter)
    row["public_ipaddr"] = .string("127.0.0.1")
    row["direct_port_count"] = .int(machine.directPorts)
    row["geolocation"] = .text(machine.location)
    row["geolocode"] = .int(1_398_079_488)
    row["reliability"] = .number(machine.reliability)
    row["reliability2"] = .number(machine.reliability)
    row["reliability_mult"] = .number(0.995)
    row["expected_reliability"] = .int(0)
    row["verification"] = .string(machine.verification)
    row["vericode"] = .int(machine.verification == "verified" ? 1 : 0)
    row["vms_enabled"] = .bool(false)
    row["is_vm_deverified"] = .bool(false)
    row["rentable"] = .bool(rentable)
    row["rented"] = .bool(false)
    row["external"] = .null
    row["is_bid"] = .bool(quote.isBid)
    row["min_bid"] = .real(floor)
    row["dph_base"] = .number(base)
    row["dph_total"] = .number(total)
    row["dph_total_adj"] = .number(total)
    row["storage_cost"] = .number(machine.storageCost)
    row["storage_total_cost"] = .number(disk)
    row["credit_discount_max"] = .number(0.4)
    row["discount_rate"] = .int(0)
    row["discounted_hourly"] = .int(0)
    row["discounted_dph_total"] = .number(total)
    row["platform_fee"] = .null
    row["search"] = Offer.priceObject(gpu: base, disk: disk)
    row["instance"] = Offer.priceObject(gpu: 0, disk: disk)
    row["start_date"] = .number(now - 8_000_000)
    row["end_date"] = .number(now + 2_592_000)
    row["duration"] = .number(2_592_000)
    row["time_remaining"] = .string("")
    row["time_remaining_isbid"] = .string("")
    row["score"] = .number(gpu.learningScore * count / total * machine.reliability)
    row["rn"] = .int(1)
    row["logo"] = .string("/static/logos/vastai_small2.png")
    row["webpage"] = .null
    row["avail_vol_ask_id"] = .null
    row["avail_vol_dph"] = .null
    row["avail_vol_size"] = .null
    row["nw_disk_min_bw"] = .null
    row["nw_disk_max_bw"] = .null
    row["nw_disk_avg_bw"] = .null
    return row.object
  }

  /// The parts of a price, as offers and instances show them.
  static func priceObject(gpu: Double, disk: Double) -> JSONValue {
    var row = Row()
    row["gpuCostPerHour"] = .number(gpu)
    row["diskHour"] = .number(disk)
    row["slaPremiumPerHour"] = .int(0)
    row["totalHour"] = .number(gpu + disk)
    row["discountTotalHour"] = .int(0)
    row["discountedTotalPerHour"] = .number(gpu + disk)
    return row.json
  }

  /// 570.124.06 as 570124006: three digits a part.
  var driverNumber: Int {
    machine.driver.split(separator: ".").reduce(0) { $0 * 1000 + (Int($1) ?? 0) }
  }
}
