package gate

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newReader reads batches where the socket is the kernel's. A socket of another kind
// may do something of its own in ReadFrom, which must not be passed by.
func (s *socket) newReader() reader {
	if c, ok := s.pc.(*net.UDPConn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			return newBatch(raw)
		}
	}
	return &one{s: s}
}

// batchSize is how many packets one system call takes at most.
const batchSize = 16

// batch reads with recvmmsg(2): one packet where they come one by one, since asking
// for more costs, and many where they wait already. It does what ReadBatch of
// golang.org/x/net/ipv4 does, which allocates an address for each packet.
type batch struct {
	raw     syscall.RawConn
	call    func(fd uintptr) bool // recv, made once
	ask     int                   // packets that the next call asks for
	waited  bool                  // there was nothing yet
	n       int
	err     syscall.Errno
	headers [batchSize]mmsghdr
	vectors [batchSize]unix.Iovec
	names   [batchSize]unix.RawSockaddrInet6
	buffers [batchSize][maxReceive]byte
}

// mmsghdr is struct mmsghdr.
type mmsghdr struct {
	header unix.Msghdr
	length uint32
}

func newBatch(raw syscall.RawConn) *batch {
	b := &batch{raw: raw, ask: 1}
	b.call = b.recv
	for i := range b.headers {
		b.vectors[i].Base = &b.buffers[i][0]
		b.vectors[i].SetLen(maxReceive)
		h := &b.headers[i].header
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
		h.Namelen = unix.SizeofSockaddrInet6
	}
	return b
}

func (b *batch) read(take func([]byte, netip.AddrPort)) error {
	b.waited = false
	if err := b.raw.Read(b.call); err != nil {
		return err
	}
	if b.ask = batchSize; b.waited {
		b.ask = 1
	}
	if b.err != 0 {
		return os.NewSyscallError("recvmmsg", b.err)
	}
	for i := range b.n {
		b.headers[i].header.Namelen = unix.SizeofSockaddrInet6 // the kernel has changed it
		take(b.buffers[i][:b.headers[i].length], address(&b.names[i]))
	}
	return nil
}

// recv is called when there may be something to read. It returns false if there is not.
func (b *batch) recv(fd uintptr) bool {
	for {
		n, _, err := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.headers[0])), uintptr(b.ask), unix.MSG_DONTWAIT, 0, 0)
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			b.waited = true
			return false
		}
		b.n, b.err = int(n), err
		return true
	}
}

// address reads what the kernel wrote: the struct sockaddr_in6, or a sockaddr_in.
func address(name *unix.RawSockaddrInet6) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:])
	switch name.Family {
	case unix.AF_INET:
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), port)
	case unix.AF_INET6:
		ip := netip.AddrFrom16(name.Addr).Unmap()
		if name.Scope_id != 0 {
			ip = ip.WithZone(strconv.FormatUint(uint64(name.Scope_id), 10))
		}
		return netip.AddrPortFrom(ip, port)
	}
	return netip.AddrPort{}
}
