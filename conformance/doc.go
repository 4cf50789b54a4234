// Package conformance tells whether an adapter keeps what package core promises for
// it. The whole test of a transport is one call:
//
//	package carrier_test
//
//	import (
//		"testing"
//
//		"github.com/parley-net/parley/conformance"
//		"github.com/parley-net/parley/core"
//
//		"example.org/carrier"
//	)
//
//	func TestConformance(t *testing.T) {
//		conformance.TestTransport(t, conformance.Transport{
//			New: func(testing.TB) core.Transport { return carrier.New(carrier.Config{}) },
//		})
//	}
//
// Each promise is a law: a name such as Close/Flush, one sentence, and a check
// under its own deadline. They run as subtests, so that
//
//	go test -race -run 'TestConformance/Close'
//
// runs a group, and a failure prints what was seen, the law's sentence and the seed
// of whatever was left to chance. docs/laws.md lists all of them, and beside each the
// broken adapters that it is known to catch.
//
// An adapter that cannot keep a law says so, with a reason that is printed where
// the law would have run:
//
//	Except: map[string]string{"Accept/SilentStranger": "one handshake at a time"},
//
// A law that does not exist cannot be excepted, so that a renamed one is not
// skipped for ever. A law that needs something which the adapter's test did not hand
// in is skipped, and says what it needs. docs/adapters.md leads from nothing to an
// adapter that passes.
//
// An adapter on TCP is also put behind a netsim.Proxy, for which it need do nothing. One
// on datagrams takes its sockets from a netsim.Network; and if it can live in a bubble of
// testing/synctest, hours of bad networks take seconds:
//
//	NewOn: func(_ testing.TB, n *netsim.Network) core.Transport {
//		return carrier.New(carrier.Config{ListenPacket: n.ListenPacket})
//	},
//	Virtual: true,
//
// The laws judge by what a caller of package core can see, and allow all that the
// contract allows: loss and reordering of Unreliable messages, late delivery, buffers
// that the next Recv overwrites. They measure time only where the contract bounds
// it, and generously. Run them under the race detector, which sees what they cannot.
package conformance
