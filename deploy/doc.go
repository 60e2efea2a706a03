// Package deploy holds what others need to run and to watch Solotick: units, manifests
// and templates of platforms where agents live, alert rules and scrape
// configurations for Prometheus, a dashboard for Grafana, and tests of them.
package deploy
