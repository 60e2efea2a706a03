# N agents under Nomad: a service job, spread over the clients. Agents of other
# clusters, and of none, may have the same file.
job "solotick" {
  datacenters = ["*"]
  type        = "service"

  group "agent" {
    count = 3

    spread {
      attribute = "${node.unique.id}"
    }

    network {
      port "http" {
        to = 9480
      }
    }

    service {
      name     = "solotick"
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/livez"
        interval = "20s"
        timeout  = "5s"

        check_restart {
          limit = 3
          grace = "30s"
        }
      }
    }

    update {
      max_parallel = 1
      health_check = "checks"
      auto_revert  = true
    }

    restart {
      attempts = 3
      interval = "10m"
      delay    = "15s"
      mode     = "delay"
    }

    task "agent" {
      driver = "docker"

      config {
        image           = "registry.example.com/solotick:1"
        args            = ["run", "-c", "/local/solotick.yaml"]
        ports           = ["http"]
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]
      }

      # agent.grace, and 5 s. A client's max_kill_timeout
      # (30s unless it says more) bounds it.
      kill_signal  = "SIGTERM"
      kill_timeout = "28s"

      # The file, whose change is in force without a restart.
      template {
        destination = "local/solotick.yaml"
        change_mode = "noop"

        # What stands as $${...} here is ${...} in the file.
        data = <<-EOT
          version: 1
          agent:
            listen: ":9480"
            grace: 23s
          dns:
            provider: rfc2136
            zone: example.com
            server: ns1.example.com
            tsig: $${file:/secrets/solotick.key}
          jobs:
            canary:
              every: 60s
              timeout: 20s
              steps:
                - id: shop
                  http: { url: "https://shop.example.com/health", timeout: 5s, retries: 2 }
                  expect: status == 200
        EOT
      }

      # The key, of a variable of Nomad: nomad var put nomad/jobs/solotick key=@solotick.key
      # HUP has the agent read it again.
      template {
        destination   = "secrets/solotick.key"
        change_mode   = "signal"
        change_signal = "SIGHUP"
        perms         = "0400"
        uid           = 65532
        gid           = 65532
        data          = <<-EOT
          {{ with nomadVar "nomad/jobs/solotick" }}{{ .key }}{{ end }}
        EOT
      }

      resources {
        cpu    = 50
        memory = 64
        memory_max = 128
      }
    }
  }
}
