package mongo_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// peer is a small MongoDB: it speaks the wire protocol on loopback, keeps documents in
// memory, and does what a script says instead of what it should. It says that it is the
// primary of a replica set, so that drivers use all that they have.
//
//	driver ── OP_MSG: one document, and batches of documents ──▶ script ──▶ commands ──▶ store
type peer struct {
	addr string

	mu       sync.Mutex
	l        net.Listener
	conns    map[net.Conn]bool
	commands []command
	script   func(c command) verdict // nil: no surprises
	store    map[string]map[string]bson.Raw
	cursors  map[int64][]bson.Raw
	last     int64 // cursor
	work     sync.WaitGroup
}

// command is one that came: its document, to which the batches are added.
type command struct {
	name string // such as update
	body bson.D
}

// get returns a field of a command.
func (c command) get(name string) any { return get(c.body, name) }

func get(d bson.D, name string) any {
	for _, e := range d {
		if e.Key == name {
			return e.Value
		}
	}
	return nil
}

// verdict is what a script has done with a command.
type verdict struct {
	answer bson.D // instead of the true one; nil: the true one
	skip   bool   // it is not applied
	drop   bool   // the connection is closed instead of an answer
	silent bool   // nothing more comes on this connection
	half   bool   // half of the answer comes, and the connection is closed
}

// newPeer starts one that ends with the test.
func newPeer(tb testing.TB) *peer {
	tb.Helper()
	p := blankPeer()
	if err := p.start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.stop)
	return p
}

func blankPeer() *peer {
	return &peer{addr: "127.0.0.1:0", store: map[string]map[string]bson.Raw{}, cursors: map[int64][]bson.Raw{}}
}

func (p *peer) url() string {
	return "mongodb://" + p.addr + "/db?replicaSet=rs0&heartbeatFrequencyMS=500"
}

func (p *peer) start() error {
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.l, p.addr, p.conns = l, l.Addr().String(), map[net.Conn]bool{}
	p.mu.Unlock()
	p.work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			if p.l != l {
				p.mu.Unlock()
				conn.Close()
				return
			}
			p.conns[conn] = true
			p.work.Go(func() { p.serve(conn) })
			p.mu.Unlock()
		}
	})
	return nil
}

// stop closes all, and keeps the documents.
func (p *peer) stop() {
	p.mu.Lock()
	if p.l != nil {
		p.l.Close()
	}
	p.l = nil
	for conn := range p.conns {
		conn.Close()
	}
	p.mu.Unlock()
	p.work.Wait()
}

// play sets the script.
func (p *peer) play(script func(c command) verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.script = script
}

// seen returns the commands of these names that came, and forgets all.
func (p *peer) seen(names ...string) (list []command) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.commands {
		if slices.Contains(names, c.name) {
			list = append(list, c)
		}
	}
	p.commands = nil
	return list
}

// docs returns the documents of a collection in order of _id.
func (p *peer) docs(collection string) (list []bson.Raw) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.store[collection]
	for _, id := range slices.Sorted(maps.Keys(c)) {
		list = append(list, c[id])
	}
	return list
}

func (p *peer) collections() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.store))
}

const (
	opReply, opQuery, opMsg = 1, 2004, 2013
	maxMessage              = 48_000_000
)

func (p *peer) serve(conn net.Conn) {
	defer func() {
		conn.Close()
		p.mu.Lock()
		delete(p.conns, conn)
		p.mu.Unlock()
	}()
	for {
		var head [16]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		size, request, op := binary.LittleEndian.Uint32(head[:]), head[4:8], binary.LittleEndian.Uint32(head[12:])
		if size < 16 || size > maxMessage {
			return
		}
		msg := make([]byte, size-16)
		if _, err := io.ReadFull(conn, msg); err != nil {
			return
		}
		c, err := parse(op, msg)
		if err != nil {
			return
		}
		v := p.answer(c)
		out := make([]byte, 16, 512)
		if op == opQuery {
			binary.LittleEndian.PutUint32(out[12:], opReply)
			out = append(out, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0) // flags, cursor, start, count
		} else {
			binary.LittleEndian.PutUint32(out[12:], opMsg)
			out = append(out, 0, 0, 0, 0, 0) // flags, and the kind of section
		}
		doc, err := bson.Marshal(v.answer)
		if err != nil {
			return
		}
		out = append(out, doc...)
		binary.LittleEndian.PutUint32(out, uint32(len(out)))
		copy(out[8:], request)
		switch {
		case v.drop:
			return
		case v.silent:
			_, _ = io.Copy(io.Discard, conn)
			return
		case v.half:
			_, _ = conn.Write(out[:len(out)/2])
			return
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

// parse reads a command.
func parse(op uint32, msg []byte) (c command, err error) {
	short := errors.New("cut off")
	body := msg
	var batches []byte
	switch op {
	case opQuery:
		n := bytes.IndexByte(msg[4:], 0)
		if n < 0 || len(msg) < 4+n+1+8+5 {
			return c, short
		}
		body = msg[4+n+1+8:]
	case opMsg:
		if len(msg) < 10 || msg[4] != 0 {
			return c, short
		}
		size := int(binary.LittleEndian.Uint32(msg[5:]))
		if size < 5 || 5+size > len(msg) {
			return c, short
		}
		body, batches = msg[5:5+size], msg[5+size:]
	default:
		return c, fmt.Errorf("operation %d", op)
	}
	if err := bson.Unmarshal(body, &c.body); err != nil {
		return c, err
	}
	for len(batches) > 5 {
		size := int(binary.LittleEndian.Uint32(batches[1:]))
		if batches[0] != 1 || size > len(batches)-1 {
			return c, short
		}
		section := batches[5 : 1+size]
		batches = batches[1+size:]
		n := bytes.IndexByte(section, 0)
		if n < 0 {
			return c, short
		}
		list := bson.A{}
		for rest := section[n+1:]; len(rest) >= 5; {
			size := int(binary.LittleEndian.Uint32(rest))
			if size < 5 || size > len(rest) {
				return c, short
			}
			var d bson.D
			if err := bson.Unmarshal(rest[:size], &d); err != nil {
				return c, err
			}
			list = append(list, d)
			rest = rest[size:]
		}
		c.body = append(c.body, bson.E{Key: string(section[:n]), Value: list})
	}
	if len(c.body) == 0 {
		return c, short
	}
	c.name = c.body[0].Key
	return c, nil
}

var hello = []string{"hello", "isMaster", "ismaster"}

func (p *peer) answer(c command) (v verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(hello, c.name) {
		p.commands = append(p.commands, c)
	}
	if p.script != nil {
		v = p.script(c)
	}
	if !v.skip {
		if a := p.apply(c); v.answer == nil {
			v.answer = a
		}
	}
	return v
}

// apply does what a command says; p.mu is held.
func (p *peer) apply(c command) bson.D {
	ok := bson.E{Key: "ok", Value: 1.0}
	name, _ := c.body[0].Value.(string)
	switch c.name {
	case "hello", "isMaster", "ismaster":
		return bson.D{ok, {Key: "ismaster", Value: true}, {Key: "isWritablePrimary", Value: true}, {Key: "helloOk", Value: true},
			{Key: "minWireVersion", Value: int32(0)}, {Key: "maxWireVersion", Value: int32(21)}, {Key: "maxBsonObjectSize", Value: int32(16 << 20)},
			{Key: "maxMessageSizeBytes", Value: int32(maxMessage)}, {Key: "maxWriteBatchSize", Value: int32(100_000)},
			{Key: "logicalSessionTimeoutMinutes", Value: int32(30)}, {Key: "setName", Value: "rs0"}, {Key: "hosts", Value: bson.A{p.addr}},
			{Key: "me", Value: p.addr}, {Key: "primary", Value: p.addr}}
	case "update":
		upserted := bson.A{}
		for i, u := range c.get("updates").(bson.A) {
			if id := p.update(name, u.(bson.D)); id != "" {
				upserted = append(upserted, bson.D{{Key: "index", Value: int32(i)}, {Key: "_id", Value: id}})
			}
		}
		return bson.D{ok, {Key: "n", Value: int32(len(c.get("updates").(bson.A)))}, {Key: "nModified", Value: int32(0)}, {Key: "upserted", Value: upserted}}
	case "find":
		return p.page(name, p.find(name, c), batchSize(c, 101))
	case "getMore":
		cursor := c.body[0].Value.(int64)
		list := p.cursors[cursor]
		delete(p.cursors, cursor)
		d := p.page(c.get("collection").(string), list, batchSize(c, 1000))
		reply := d[1].Value.(bson.D)
		reply[2].Key = "nextBatch"
		return d
	case "killCursors":
		for _, id := range c.get("cursors").(bson.A) {
			delete(p.cursors, id.(int64))
		}
	}
	return bson.D{ok}
}

func batchSize(c command, otherwise int) int {
	if n, ok := c.get("batchSize").(int32); ok && n > 0 {
		return int(n)
	}
	return otherwise
}

// page answers with the first documents, and keeps a cursor for the others.
func (p *peer) page(collection string, list []bson.Raw, n int) bson.D {
	n = min(n, len(list))
	var id int64
	if n < len(list) {
		p.last++
		id = p.last
		p.cursors[id] = list[n:]
	}
	return bson.D{{Key: "ok", Value: 1.0}, {Key: "cursor", Value: bson.D{{Key: "id", Value: id}, {Key: "ns", Value: "db." + collection}, {Key: "firstBatch", Value: list[:n]}}}}
}

// update does one update, and returns the _id of what it inserted.
func (p *peer) update(collection string, u bson.D) (inserted string) {
	c := p.store[collection]
	if c == nil {
		c = map[string]bson.Raw{}
		p.store[collection] = c
	}
	filter, change := get(u, "q").(bson.D), get(u, "u").(bson.D)
	id := get(filter, "_id").(string)
	var doc bson.D
	if raw, ok := c[id]; ok {
		if !fits(filter, raw) {
			return ""
		}
		if err := bson.Unmarshal(raw, &doc); err != nil {
			panic(err)
		}
	} else if get(u, "upsert") == true {
		doc, inserted = bson.D{{Key: "_id", Value: id}}, id
	} else {
		return ""
	}
	for _, op := range change {
		for _, e := range op.Value.(bson.D) {
			i := slices.IndexFunc(doc, func(x bson.E) bool { return x.Key == e.Key })
			switch {
			case op.Key == "$setOnInsert" && inserted != "":
				doc = append(doc, e)
			case op.Key == "$unset" && i >= 0:
				doc = slices.Delete(doc, i, i+1)
			case op.Key == "$max" && i >= 0 && e.Value.(bson.DateTime) > doc[i].Value.(bson.DateTime):
				doc[i] = e
			}
		}
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		panic(err)
	}
	c[id] = raw
	return inserted
}

func (p *peer) find(collection string, c command) []bson.Raw {
	list := []bson.Raw{} // an empty one is no null
	filter, _ := c.get("filter").(bson.D)
	for _, doc := range p.store[collection] {
		if fits(filter, doc) {
			list = append(list, doc)
		}
	}
	slices.SortFunc(list, func(a, b bson.Raw) int {
		return strings.Compare(a.Lookup("_id").StringValue(), b.Lookup("_id").StringValue())
	})
	if sort, _ := c.get("sort").(bson.D); fmt.Sprint(get(sort, "_id")) == "-1" {
		slices.Reverse(list)
	}
	if n, ok := c.get("limit").(int64); ok && n > 0 {
		list = list[:min(int(n), len(list))]
	}
	return list
}

// fits tells whether a filter lets a document through.
func fits(filter bson.D, doc bson.Raw) bool {
	for _, e := range filter {
		if e.Key == "$or" {
			if !slices.ContainsFunc(e.Value.(bson.A), func(x any) bool { return fits(x.(bson.D), doc) }) {
				return false
			}
			continue
		}
		v, err := doc.LookupErr(e.Key)
		conds, ok := e.Value.(bson.D)
		if !ok {
			conds = bson.D{{Key: "$eq", Value: e.Value}}
		}
		for _, cond := range conds {
			var order int
			same := false // comparable
			switch want := cond.Value.(type) {
			case string:
				var s string
				if s, same = v.StringValueOK(); same {
					order = strings.Compare(s, want)
				}
			case int64:
				var n int64
				if n, same = v.Int64OK(); same {
					order = cmp.Compare(n, want)
				}
			}
			switch cond.Key {
			case "$exists":
				ok = (err == nil) == cond.Value.(bool)
			case "$eq":
				ok = same && order == 0
			case "$gte":
				ok = same && order >= 0
			case "$lte":
				ok = same && order <= 0
			default:
				panic("no such condition: " + cond.Key)
			}
			if !ok {
				return false
			}
		}
	}
	return true
}
