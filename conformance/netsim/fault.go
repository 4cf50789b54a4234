package netsim

import (
	"os"
	"syscall"
)

// failures are the errors that a PacketConn returns before it works again.
type failures []error

// next takes the next of them.
func (f *failures) next() error {
	if len(*f) == 0 {
		return nil
	}
	err := (*f)[0]
	*f = (*f)[1:]
	return err
}

// FailReads makes each of the next reads of c return one of errs, without a packet and
// in this order, beginning with one that waits: what a socket does when the kernel has
// bad news of a peer, syscall.ECONNREFUSED say, or is short of memory. They come as
// *net.OpErrors. Errors of earlier calls come first.
func (c *PacketConn) FailReads(errs ...error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	c.badReads = append(c.badReads, errs...)
	c.ready.Broadcast()
}

// FailWrites makes each of the next writes of c return one of errs, and sends nothing.
// See FailReads.
func (c *PacketConn) FailWrites(errs ...error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	c.badWrites = append(c.badWrites, errs...)
}

// syscallError names the system call where err is one's.
func syscallError(op string, err error) error {
	if _, ok := err.(syscall.Errno); !ok {
		return err
	}
	if op == "read" {
		return os.NewSyscallError("recvfrom", err)
	}
	return os.NewSyscallError("sendto", err)
}
