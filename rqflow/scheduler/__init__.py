"""Scheduler: the process that fires schedules: any number may run, none leads, and each may die anywhere."""
