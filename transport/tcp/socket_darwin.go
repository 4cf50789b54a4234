package tcp

import "syscall"

// On Darwin the option below is heeded by kevent only, and a write that finds room in
// the send buffer does not ask it: so that buffer is bounded too.
const boundedSendBuffer = 64 << 10

const tcpNotSentLowat = 0x201 // TCP_NOTSENT_LOWAT

var tuneSocket = func(fd uintptr) {
	syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat, unsentLimit)
}
