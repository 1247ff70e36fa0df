"""What is watched, as data: alarms with their runbooks, the dashboard's rows, saved questions to the logs."""
