//go:build race

package arq

// few is how many of n times something is tried: with the race detector, under which
// everything takes long, few. A Session has no goroutines that could race.
func few(n int) int { return (n + 9) / 10 }
