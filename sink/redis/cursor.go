package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	goredis "github.com/redis/go-redis/v9"

	"github.com/parley-net/parley/core"
)

const (
	maxPage  = 1000    // entries that are read at once
	pageSize = 1 << 20 // bytes that are read at once, about
)

// entry is one of a stream, or of the hash beside it.
type entry struct {
	id   id
	text string
}

// cursor goes through the entries of a stream and those that came late.
type cursor struct {
	s                 *Sink
	match, key, field string
	most              int // entries to read at once
	count             int // likewise, for now

	begun, ended bool    // late is known; behind page is nothing more
	late         []id    // still to come
	page         []entry // of the stream, still to come
}

func (s *Sink) cursor(match, key, field string, most int) *cursor {
	return &cursor{s: s, match: match, key: key, field: field, most: most, count: min(most, 100)}
}

// next returns the first entry that has this id or one behind it; ok is false if there is
// none. Ids must not go down from call to call.
func (c *cursor) next(ctx context.Context, from id) (e entry, ok bool, err error) {
	if !c.begun {
		if err := c.begin(ctx); err != nil {
			return e, false, err
		}
	}
	for len(c.page) > 0 && c.page[0].id.before(from) {
		c.page = c.page[1:]
	}
	if len(c.page) == 0 && !c.ended {
		if err := c.read(ctx, from); err != nil {
			return e, false, err
		}
	}
	for len(c.late) > 0 {
		switch i := c.late[0]; {
		case i.before(from):
			c.late = c.late[1:]
		case len(c.page) > 0 && c.page[0].id.before(i):
			return c.page[0], true, nil
		default:
			if e, ok, err = c.readLate(ctx, i); ok || err != nil {
				return e, ok, err
			}
			c.late = c.late[1:] // it was dropped meanwhile
		}
	}
	if len(c.page) == 0 {
		return e, false, nil
	}
	return c.page[0], true, nil
}

func (c *cursor) doing() string { return fmt.Sprintf("read the %ss of match %q", c.field, c.match) }

// begin reads which entries came late.
func (c *cursor) begin(ctx context.Context) error {
	p := c.s.db.Pipeline()
	get := p.HKeys(ctx, c.key+late)
	if err := c.s.read(ctx, c.doing(), p); err != nil {
		return err
	}
	for _, text := range get.Val() {
		i, err := c.parseID(text)
		if err != nil {
			return err
		}
		c.late = append(c.late, i)
	}
	slices.SortFunc(c.late, func(a, b id) int { return cmp.Or(cmp.Compare(a.epoch, b.epoch), cmp.Compare(a.n, b.n)) })
	c.begun = true
	return nil
}

func (c *cursor) parseID(text string) (id, error) {
	i, ok := parseID(text)
	if !ok {
		return i, core.Errorf(core.ErrMalformed, "redis: among the %ss of match %q is something with the id %q, which was not put there by this package", c.field, c.match, text)
	}
	return i, nil
}

// read reads a page of the stream.
func (c *cursor) read(ctx context.Context, from id) error {
	p := c.s.db.Pipeline()
	get := p.XRangeN(ctx, c.key, from.String(), "+", int64(c.count))
	if err := c.s.read(ctx, c.doing(), p); err != nil {
		return err
	}
	c.page, c.ended = c.page[:0], len(get.Val()) < c.count
	size := 0
	for _, m := range get.Val() {
		i, err := c.parseID(m.ID)
		if err != nil {
			return err
		}
		text, ok := m.Values[c.field].(string)
		if !ok {
			return core.Errorf(core.ErrMalformed, "redis: %s %s of match %q has no field of that name", c.field, m.ID, c.match)
		}
		size += len(text)
		c.page = append(c.page, entry{i, text})
	}
	if size > 0 {
		c.count = max(1, min(c.most, len(c.page)*pageSize/size))
	}
	return nil
}

// readLate reads an entry that came late; ok is false if it is gone.
func (c *cursor) readLate(ctx context.Context, i id) (e entry, ok bool, err error) {
	p := c.s.db.Pipeline()
	get := p.HGet(ctx, c.key+late, i.String())
	err = c.s.read(ctx, c.doing(), p)
	if errors.Is(err, goredis.Nil) {
		return e, false, nil
	}
	return entry{i, get.Val()}, err == nil, err
}
