package tcp

import "syscall"

// Linux sizes the send buffer by the network's speed, and keeps what is unsent below
// unsentLimit.
const boundedSendBuffer = 0

// Options that package syscall has no names for on every architecture.
const (
	tcpThinLinearTimeouts = 16 // TCP_THIN_LINEAR_TIMEOUTS
	tcpNotSentLowat       = 25 // TCP_NOTSENT_LOWAT
	tcpRTOMaxMillis       = 44 // TCP_RTO_MAX_MS, since Linux 6.15
)

// tuneSocket also keeps the pauses between retransmissions from doubling without
// end: after a blackout of nine seconds they would be longer than IdleTimeout.
var tuneSocket = func(fd uintptr) {
	set := func(option, value int) { syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, option, value) }
	set(tcpNotSentLowat, unsentLimit)
	set(tcpThinLinearTimeouts, 1)
	set(tcpRTOMaxMillis, 1000)
}
