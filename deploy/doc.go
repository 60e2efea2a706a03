// Package deploy holds what others need to watch Solotick: alert rules and scrape
// configurations for Prometheus, a dashboard for Grafana, and tests of them.
package deploy
