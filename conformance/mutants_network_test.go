package conformance

import (
	"net"
	"testing"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

const packetTimeout = 400 * time.Millisecond

// overPackets hands packets with a bug to the suite.
func overPackets(bug string) func(h *Transport) {
	return func(h *Transport) {
		h.Timeout = packetTimeout
		h.NewOn = func(_ testing.TB, n *netsim.Network) core.Transport {
			return &packets{open: n.ListenPacket, timeout: packetTimeout, bug: bug}
		}
	}
}

func realPackets(testing.TB) core.Transport {
	return &packets{open: new(net.ListenConfig).ListenPacket, timeout: packetTimeout}
}

var networkMutants = []mutant{
	{of("Network/Dial"), "asks only once for a connection", realPackets, overPackets("asks once")},
	{of("Network/Reliable"), "takes a repeated packet for a new one", realPackets, overPackets("no numbers")},
	{of("Network/Unreliable"), "delivers the copies of a packet", realPackets, overPackets("no window")},
	{of("Network/Corruption"), "has no checksum", realPackets, overPackets("no checksum")},
	{of("Network/Close"), "says goodbye once and goes", realPackets, overPackets("bye once")},
	{of("Network/MTU"), "sends packets of 1,400 bytes", realPackets, overPackets("large packets")},
	{of("Network/Blackout"), "gives up after a few repetitions", realPackets, overPackets("impatient")},
	{of("Network/Forged"), "ends the connection over garbage", realPackets, overPackets("ends on garbage")},
	{of("Network/Replay"), "admits a dialer again whose packets are replayed", realPackets, overPackets("forgetful")},
	{of("Network/Replay"), "delivers packets that are replayed", realPackets, overPackets("no window")},
	{of("Network/Amplification"), "answers a first packet with a longer one", realPackets, overPackets("talkative")},
}

// TestPackets holds that the adapter that these are made of is sound, on a simulated
// network and on real sockets.
func TestPackets(t *testing.T) {
	h := Transport{New: realPackets, Except: map[string]string{}}
	overPackets("")(&h)
	TestTransport(t, h)
}
