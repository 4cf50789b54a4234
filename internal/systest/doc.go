// Package systest holds the engine's system tests: servers and clients that play
// together over each adapter, over bad networks in virtual time, next to hostile
// peers, and under load. It has no code of its own.
//
//	go test -race ./internal/systest                         all of it
//	go test ./internal/systest -run TestSpawn/tcp            one row of the matrix
//	go test ./internal/systest -run TestRandom -seeds 200    more random matches
//	go test ./internal/systest -run TestRandom -seed 17      one of them again
//	go test ./internal/systest -run TestSoak -soak 60s -v    the long soak
//
// A test of the matrix runs once for each row: over transport/mem and over a
// simulated network in a synctest bubble, where time is virtual and a goroutine
// that is left over is an error, and over real sockets on loopback.
package systest
