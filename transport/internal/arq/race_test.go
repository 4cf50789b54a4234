//go:build race

package arq

// raced: the race detector is on, and everything takes ten times as long. Tests that
// try many seeds try fewer then; a Session has no goroutines that could race.
const raced = true
