/// A stand-in for `nvidia-smi`, put first in a container's PATH: answers `-L`, `--query-gpu=… --format=csv…`,
/// `--query-compute-apps=…` and the plain table, for the GPUs that were rented.
enum NvidiaSMI {
  static func script(_ plan: ContainerPlan) -> String {
    """
    #!/bin/sh
    # A stand-in for nvidia-smi: this machine is simulated.
    name=\(Files.quoted(plan.gpu.name)) count=\(plan.gpus) memory=\(plan.gpu.memory) driver=\(Files.quoted(plan.driver))
    cuda=\(plan.cuda) power=\(Int(plan.gpu.watts)) capability=\(Double(plan.gpu.capability) / 100)
    query= header=1 units=1 apps= list= only=
    while [ $# -gt 0 ]; do
      case $1 in
        --query-gpu=*) query=${1#*=} ;;
        --query-compute-apps=*) apps=1 ;;
        --format=*)
          case $1 in *noheader*) header= ;; esac
          case $1 in *nounits*) units= ;; esac ;;
        -L|--list-gpus) list=1 ;;
        --id=*) only=${1#*=} ;;
        -i) shift; only=$1 ;;
        -l|-lms|--loop=*|--loop-ms=*) echo "nvidia-smi: this stand-in does not loop" >&2; exit 2 ;;
        -h|--help) echo "nvidia-smi (simulated): -L, --query-gpu=FIELDS --format=csv[,noheader][,nounits]"; exit 0 ;;
      esac
      shift
    done
    uuid() { printf 'GPU-%08x-0000-4000-8000-%012x' \(plan.contract) "$1"; }
    with() { if [ -n "$units" ]; then printf '%s %s' "$1" "$2"; else printf '%s' "$1"; fi; }
    value() {
      case $1 in
        name|gpu_name) printf '%s' "$name" ;;
        index) printf '%s' "$2" ;;
        count) printf '%s' "$count" ;;
        uuid|gpu_uuid) uuid "$2" ;;
        driver_version) printf '%s' "$driver" ;;
        memory.total) with "$memory" MiB ;;
        memory.used) with 512 MiB ;;
        memory.free) with $((memory - 512)) MiB ;;
        memory.reserved) with 0 MiB ;;
        utilization.gpu) with 37 % ;;
        utilization.memory) with 12 % ;;
        temperature.gpu) printf 61 ;;
        power.draw) with 181.25 W ;;
        power.limit|power.max_limit) with "$power.00" W ;;
        fan.speed) with 45 % ;;
        clocks.sm|clocks.gr) with 2520 MHz ;;
        clocks.mem) with 10501 MHz ;;
        compute_cap) printf '%s' "$capability" ;;
        pstate) printf P2 ;;
        pci.bus_id|gpu_bus_id) printf '00000000:%02X:00.0' $(($2 + 1)) ;;
        timestamp) date '+%Y/%m/%d %H:%M:%S.000' ;;
        ecc.errors.uncorrected.*|ecc.errors.corrected.*) printf 0 ;;
        *) echo "Field \\"$1\\" is not a valid field to query." >&2; exit 2 ;;
      esac
    }
    if [ -n "$apps" ]; then
      [ -n "$header" ] && echo "pid, process_name, used_gpu_memory [MiB]"
      exit 0
    fi
    gpu=0
    if [ -n "$query" ]; then
      [ -n "$header" ] && echo "$query" | sed 's/,/, /g'
      while [ $gpu -lt $count ]; do
        if [ -z "$only" ] || [ "$only" = "$gpu" ]; then
          line= separator=
          for field in $(echo "$query" | tr ',' ' '); do
            cell=$(value "$field" $gpu) || exit 2
            line="$line$separator$cell" separator=', '
          done
          echo "$line"
        fi
        gpu=$((gpu + 1))
      done
      exit 0
    fi
    if [ -n "$list" ]; then
      while [ $gpu -lt $count ]; do echo "GPU $gpu: NVIDIA GeForce $name (UUID: $(uuid $gpu))"; gpu=$((gpu + 1)); done
      exit 0
    fi
    echo "+-----------------------------------------------------------------------------------------+"
    printf '| NVIDIA-SMI %-22s Driver Version: %-15s CUDA Version: %-9s|\\n' "$driver" "$driver" "$cuda"
    echo "|-----------------------------------------+------------------------+----------------------|"
    while [ $gpu -lt $count ]; do
      printf '| %3d  %-34s | %6dMiB / %6dMiB    | %14d%%      |\\n' $gpu "$name" 512 $memory 37
      gpu=$((gpu + 1))
    done
    echo "+-----------------------------------------------------------------------------------------+"

    """
  }
}
