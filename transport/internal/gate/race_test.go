//go:build race

package gate

// race says that the race detector is on, under which all is ten times as slow.
const race = true
