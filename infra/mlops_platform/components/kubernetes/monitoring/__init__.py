"""Prometheus, Alertmanager and Grafana with the project's own rules and dashboards, and what acts on its alerts."""
