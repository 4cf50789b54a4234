package netsim_test

import (
	"fmt"
	"io"
	"net"

	"github.com/parley-net/parley/conformance/netsim"
)

// A connection that breaks amid a message.
func ExampleProxy() {
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	defer l.Close()
	p, err := netsim.NewProxy(l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	p.SetStream(netsim.Up, netsim.Stream{ResetAfter: 7})

	player, _ := net.Dial("tcp", p.Addr().String())
	defer player.Close()
	server, _ := l.Accept()
	defer server.Close()
	player.Write([]byte("position 12 7"))
	got, err := io.ReadAll(server)
	fmt.Printf("%q, and then an error: %v\n", got, err != nil)
	// Output: "positio", and then an error: true
}
