//go:build race

package spool

// race says that the race detector is on, under which all is ten times as slow.
const race = true
