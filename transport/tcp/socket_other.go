//go:build !linux && !darwin

package tcp

// There is no limit on unsent bytes here, so the send buffer as a whole is bounded.
const boundedSendBuffer = 64 << 10

var tuneSocket func(fd uintptr)
