import JSON

extension Contract {
  /// The instance as a read shows it.
  func row(now: Double) -> JSONObject {
    let machine = offer.machine
    let disk = offer.diskPrice(self.disk)
    let runs = status.actual == .running
    let seen = status.actual != nil
    var row = Row()
    row["id"] = .int(id)
    row["machine_id"] = .int(machine.id)
    row["host_id"] = .int(machine.host)
    row["bundle_id"] = .int(1_618_000_000 + machine.id)
    row["hosting_type"] = .int(machine.isDatacenter ? 1 : 0)
    row["actual_status"] = .text(status.actual?.rawValue)
    row["intended_status"] = .string(status.intended.rawValue)
    row["cur_state"] = .string(status.current.rawValue)
    row["next_state"] = .string(status.next.rawValue)
    row["status_msg"] = .text(message)
    row["label"] = .text(label)
    row["template_id"] = .null
    row["template_hash_id"] = .null
    row["template_name"] = .null
    row["image_uuid"] = .string(image)
    row["image_args"] = .array(arguments.map { .string($0) })
    row["image_runtype"] = .string(runtype)
    row["onstart"] = .text(onstart)
    row["extra_env"] = .array(environment.map { .array([.string($0.name), .string($0.value)]) })
    row["jupyter_token"] = .string(jupyterToken)
    // There before the container takes connections, as at the real service.
    row["ssh_host"] = .string("127.0.0.1")
    row["ssh_port"] = .int(proxyPort)
    row["ssh_idx"] = .string("5")
    row["machine_dir_ssh_port"] = .int(20113)
    row["public_ipaddr"] = seen ? .string("127.0.0.1\n") : .null
    row["local_ipaddrs"] = .string("127.0.0.1 \n")
    row["ports"] = portMap
    row["direct_port_count"] = .int(machine.directPorts)
    row["direct_port_start"] = .int(ports.map(\.outside).min() ?? -1)
    row["direct_port_end"] = .int(ports.map(\.outside).max() ?? -1)
    row["static_ip"] = .bool(machine.isDatacenter)
    row["geolocation"] = .text(machine.location)
    row["country_code"] = .null
    row["verification"] = .string(machine.verification)
    addHardware(&row, runs: runs)
    addPrices(&row, disk: disk)
    row["start_date"] = .number(createdAt)
    row["end_date"] = .number(endDate)
    row["duration"] = .number(endDate - now)
    row["uptime_mins"] = .real(runningSince.map { (now - $0) / 60 })
    row["client_run_time"] = .number((now - createdAt) / 3600)
    row["host_run_time"] = .number(2_592_000)
    row["time_remaining"] = .string("")
    row["time_remaining_isbid"] = .string("")
    row["target_reliability"] = .null
    row["sla_r_claim"] = .null
    row["sla_sigma_x"] = .null
    return row.object
  }

  /// An object while the container runs, an empty one otherwise.
  private var portMap: JSONValue {
    var map = JSONObject()
    for port in ports {
      let bindings = ["0.0.0.0", "::"].map { address in
        var binding = Row()
        binding["HostIp"] = .string(address)
        binding["HostPort"] = .string("\(port.outside)")
        return binding.json
      }
      map.members.append(.init(name: port.inside, value: .array(bindings)))
    }
    return .object(map)
  }

  private func addHardware(_ row: inout Row, runs: Bool) {
    let machine = offer.machine
    let gpu = machine.gpu
    row["num_gpus"] = .int(offer.gpus)
    row["gpu_name"] = .string(gpu.name)
    row["gpu_arch"] = .string("nvidia")
    row["gpu_frac"] = .number(offer.fraction)
    row["gpu_lanes"] = .int(16)
    row["gpu_ram"] = .int(gpu.memory)
    row["gpu_totalram"] = .int(gpu.memory * offer.gpus)
    row["gpu_mem_bw"] = .number(gpu.bandwidth)
    row["bw_nvlink"] = .number(0)
    row["compute_cap"] = .int(gpu.capability)
    row["gpu_util"] = runs ? .real(gpuUtilization) : .null
    row["gpu_temp"] = runs ? .number(61) : .null
    row["cuda_max_good"] = .number(machine.cuda)
    row["driver_version"] = .string(machine.driver)
    row["total_flops"] = .number(gpu.teraflops * Double(offer.gpus))
    row["dlperf"] = .number(gpu.learningScore * Double(offer.gpus))
    row["score"] = .number(310.5)
    row["cpu_name"] = .string("Made-Up 64-Core Processor")
    row["cpu_arch"] = .string("amd64")
    row["cpu_cores"] = .int(machine.cores)
    row["cpu_cores_effective"] = .number(offer.effectiveCores)
    row["cpu_ram"] = .int(machine.cpuMemory)
    row["cpu_util"] = .number(0.12)
    row["mem_limit"] = .number(Double(machine.cpuMemory) * offer.fraction / 1000)
    row["mem_usage"] = runs ? .number(3.1) : .null
    row["vmem_usage"] = runs ? .number(9.8) : .null
    row["disk_name"] = .string("EXAMPLE NVME 8TB")
    row["disk_space"] = .number(disk)
    row["disk_bw"] = .number(5120)
    row["disk_usage"] = .number(runs ? 6.2 : -1)
    row["disk_util"] = .number(runs ? 6.2 / disk : -1)
    row["inet_up"] = .number(machine.up)
    row["inet_down"] = .number(machine.down)
    row["inet_up_cost"] = .number(machine.upCost)
    row["inet_down_cost"] = .number(machine.downCost)
    row["internet_up_cost_per_tb"] = .number(machine.upCost * 1000)
    row["internet_down_cost_per_tb"] = .number(machine.downCost * 1000)
    row["inet_up_billed"] = .null
    row["inet_down_billed"] = .null
    row["mobo_name"] = .string("EXAMPLE-8X")
    row["pci_gen"] = .number(4)
    row["pcie_bw"] = .number(24.1)
    row["os_version"] = .string("22.04")
    row["reliability2"] = .number(machine.reliability)
    row["rentable"] = .bool(false)
    row["external"] = .bool(false)
    row["logo"] = .string("/static/logos/vastai_small2.png")
    row["webpage"] = .null
  }

  private func addPrices(_ row: inout Row, disk: Double) {
    let floor = offer.floor
    row["is_bid"] = .bool(isBid)
    // Shown above one's own bid: who chases it drives the price up alone.
    row["min_bid"] = .real(bid.map { max(floor ?? 0, $0 * 1.2) } ?? floor)
    row["dph_base"] = .number(gpuPrice)
    row["dph_total"] = .number(gpuPrice + disk)
    row["dlperf_per_dphtotal"] = .number(offer.machine.gpu.learningScore * Double(offer.gpus) / (gpuPrice + disk))
    row["flops_per_dphtotal"] = .number(offer.machine.gpu.teraflops * Double(offer.gpus) / (gpuPrice + disk))
    row["storage_cost"] = .number(offer.machine.storageCost)
    row["storage_total_cost"] = .number(disk)
    row["vram_costperhour"] = .number(1.4e-05)
    row["credit_balance"] = .null
    row["credit_discount"] = .null
    row["credit_discount_max"] = .number(0.4)
    row["search"] = Offer.priceObject(gpu: gpuPrice, disk: disk)
    row["instance"] = Offer.priceObject(gpu: account.gpuRate, disk: account.diskRate)
  }

  /// A column that is stored, and so can be searched and sorted by; nil for computed and unknown ones.
  func storedColumn(_ name: String) -> JSONValue? {
    switch name {
    case "id": .int(id)
    case "label": .text(label)
    case "actual_status": .text(status.actual?.rawValue)
    case "intended_status": .string(status.intended.rawValue)
    case "cur_state": .string(status.current.rawValue)
    case "next_state": .string(status.next.rawValue)
    case "gpu_name": .string(offer.machine.gpu.name)
    case "verification": .string(offer.machine.verification)
    case "machine_id": .int(offer.machine.id)
    case "host_id": .int(offer.machine.host)
    case "image_uuid": .string(image)
    case "geolocation": .text(offer.machine.location)
    case "start_date": .number(createdAt)
    case "is_bid": .bool(isBid)
    default: nil
    }
  }
}
