// Package netsim is a bad network, at three levels. Wrap takes any core.Transport and
// loses, delays and reorders the messages that its Conns carry. NewNetwork makes a
// network of net.PacketConns, which does to packets whatever the internet does, for
// those who build a Transport on UDP. NewProxy stands before any TCP server, and cuts,
// stalls and stretches the streams that it passes on.
//
//	your game                      which level for what
//	   │
//	core.Conn ◀── Wrap             messages lost, late, out of order; blackouts. For
//	   │                           games, and for any Transport, TCP's too. The laws
//	   │                           of core.Conn still hold.
//	your Transport
//	   │
//	net.PacketConn ◀── NewNetwork  all that, and packets doubled, replayed, corrupted,
//	   or                          too long, from another address, or forged. For a
//	   │                           Transport that has to make good for it.
//	   │
//	net.Conn ◀── NewProxy          streams that stand still, crawl, break off anywhere,
//	                               end on one side. For Transports on TCP, databases.
//
// The first two have a seed, and take a Link, which says how bad it is: a literal, or
// one of the profiles LAN, WiFi, LTE, Satellite and Awful, by name through Profile. A
// Network takes it inside a PacketLink, with what is for packets alone.
//
// # Messages
//
//	network := new(mem.Transport)
//	l, err := network.Listen(ctx, "arena")
//	...
//	mobile := netsim.Wrap(network, netsim.LTE(), 1)
//	conn, err := mobile.Dial(ctx, "arena") // a bad connection, both ways
//	...
//	mobile.Blackout(3 * time.Second) // the lift
//
// Wrap what the dialers use, as above, and both directions of their connections
// are bad; the Listener needs no wrapping, and wrapping it too changes nothing:
//
//	Send ──▶ [ up: lost? late? ] ──▶ inner Conn ──▶ ┐
//	                                                │ any Listener
//	Recv ◀── [ down: lost? late? ] ◀── inner Conn ◀─┘
//
// The laws of core.Conn hold for a wrapped Conn. Reliable messages are late but
// neither lost nor reordered, queues are bounded, and Close lets what was sent
// before it arrive. Nothing is duplicated or altered, which the contract forbids
// above a Transport.
//
// To lose what comes in, netsim must know how it was sent, and core.Conn.Recv does
// not tell: inner Conns with the ability Teller do (those of transport/mem, and of
// netsim itself). What comes in over other Conns is taken for Reliable: delayed and
// never lost. To lose both ways there, wrap both sides with AtSender.
//
// # Packets
//
//	n := netsim.NewNetwork(1)
//	defer n.Close()
//	n.SetLink(netsim.PacketLink{Link: netsim.LTE(), Duplicate: 0.1, Corrupt: 0.01})
//	transport := &udp.Transport{ListenPacket: n.ListenPacket}
//
// ListenPacket has the signature that datagram adapters take by injection. Addresses
// are *net.UDPAddrs, because adapters resolve, compare and hash such ones; hosts are
// whatever IP addresses a test names, 127.0.0.1 if it names none. That is the address
// of a friend: adapters ask no pin of it and do not count how often it dials. Host
// opens PacketConns elsewhere, for strangers and for crowds:
//
//	stranger := n.Host("203.0.113.7")
//	pc, err := stranger.ListenPacket(ctx, "udp", "")
//
// What becomes of a packet is decided when it is sent, in this order:
//
//	WriteTo ▶ somebody there? ▶ filter ▶ MTU ▶ dark? ▶ Rate, Queue ▶ loss ▶ copies ▶
//	        ▶ corruption ▶ … delay … ▶ still somebody there? ▶ room in the buffer? ▶ ReadFrom
//
// A Route names a part of the Network, one direction of it, down to that from one
// address to another, to give it its own link and blackouts and to read its Counters.
// PacketConn.Rebind changes an address as a NAT does, FailReads and FailWrites make
// the socket itself fail; Inject forges packets, and Tap and Log show what became of
// each. SetFilter is for what chance does not hit, such as the first three packets.
//
// # Streams
//
//	p, err := netsim.NewProxy(l.Addr().String())
//	defer p.Close()
//	conn, err := transport.Dial(ctx, p.Addr().String())
//	p.SetStream(netsim.Up, netsim.Stream{ResetAfter: 1000}) // amid a message
//	p.Stall(netsim.BothWays)                                // the cable
//
// A Proxy is in real time, since its connections are the system's.
//
// # One seed, one run
//
// Each direction of each connection draws its own numbers, which derive from the seed
// and the connection's number (the first Dial that succeeds is 0), or from the seed
// and the two addresses of packets. Each message and each packet draws once, so the
// same sends meet the same fate whatever other connections do, and a later change of
// links does not move what follows. Network.Digest sums the fates up, for a test
// that two runs were the same.
//
// Time is time.Now and timers: real, or the virtual time of a testing/synctest
// bubble, in which a run with the same seed is the same run when the Transport or the
// Network is made in the bubble and dials come in a fixed order. Filter decisions
// that depend on anything else are the test's own affair.
package netsim
