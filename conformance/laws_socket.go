package conformance

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

var socketLaws = []law[Transport]{
	{"Network/Errors",
		"Errors that a socket returns now and then, for a peer that is gone or for want of memory, end no Listener, and no connection but that of the peer.",
		networkErrors},
}

// troubles are what the kernel reports of somebody, or of itself, on a socket that goes
// on working.
var troubles = []error{
	syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EMSGSIZE,
	syscall.ENOBUFS, syscall.ENOMEM, syscall.EINTR, syscall.EPERM,
}

func networkErrors(e *env, h Transport) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	d, a, err := r.link()
	if err != nil {
		return err
	}
	door := netsim.AddrOf(r.l.Addr())
	first := dialers(n, door)
	od, oa, err := r.link()
	if err != nil {
		return err
	}
	id := 0
	for _, trouble := range troubles {
		for _, fail := range []func(c *netsim.PacketConn){
			func(c *netsim.PacketConn) { c.FailReads(trouble, trouble) },
			func(c *netsim.PacketConn) { c.FailWrites(trouble, trouble) },
		} {
			fail(n.Conn(door))
			for _, ends := range [][2]*peer{{d, a}, {od, oa}} {
				if err := e.both(ends[0], ends[1], id, id+5, 100); err != nil {
					return fmt.Errorf("the Listener's socket returned %q twice: %w", trouble, err)
				}
			}
			id += 5
		}
	}
	for _, trouble := range troubles {
		for _, c := range first {
			c.FailReads(trouble)
			c.FailWrites(trouble)
		}
		d.Send(core.Reliable, message(id, 100)) // to nobody, perhaps
		if err := e.both(od, oa, id, id+5, 100); err != nil {
			return fmt.Errorf("the socket of another dialer returned %q: %w", trouble, err)
		}
		id += 5
	}
	n.Conn(door).FailReads(errors.New("an error that nobody has heard of"))
	nd, na, err := r.link()
	if err != nil {
		return fmt.Errorf("after errors of the Listener's socket: %w", err)
	}
	return e.both(nd, na, 0, 5, 100)
}
