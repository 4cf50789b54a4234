package arq_test

import (
	"fmt"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/internal/arq"
)

// Two ends, and a network that loses the first packet.
func Example() {
	now := time.Now()
	alice, bob := arq.New(arq.Config{}, now), arq.New(arq.Config{}, now)
	if err := alice.Send(now, core.Reliable, []byte("hello")); err != nil {
		fmt.Println(err)
		return
	}
	buf := make([]byte, arq.MaxDatagram)
	fmt.Println("packet 0:", alice.Next(now, 0, buf), "bytes, which get lost")

	now = alice.Deadline() // nobody has answered: it is time to send again
	n := alice.Next(now, 1, buf)
	if err := bob.Receive(now, 1, buf[:n]); err != nil {
		fmt.Println(err)
		return
	}
	msg, ok := bob.Recv(nil)
	fmt.Printf("packet 1: %s, %v\n", msg, ok)

	fmt.Println("not acknowledged:", alice.Unacked(), "bytes")
	n = bob.Next(now, 0, buf)
	if err := alice.Receive(now, 0, buf[:n]); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("not acknowledged:", alice.Unacked(), "bytes")
	// Output:
	// packet 0: 9 bytes, which get lost
	// packet 1: hello, true
	// not acknowledged: 6 bytes
	// not acknowledged: 0 bytes
}
