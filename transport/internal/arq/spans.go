package arq

import (
	"slices"
	"sort"
)

// A span is a run of numbers, from included and to excluded.
type span struct{ from, to uint64 }

// spans is a set of numbers: in ascending order, apart from each other, none empty.
type spans []span

// find returns the index of the first span that ends at v or behind it.
func (s spans) find(v uint64) int {
	if n := len(s); n == 0 || s[n-1].to < v {
		return n // what is new is mostly the highest
	}
	return sort.Search(len(s), func(i int) bool { return s[i].to >= v })
}

// add adds from up to, but not, to. It does nothing and reports false if there would
// be more than most spans.
func (s *spans) add(from, to uint64, most int) bool {
	i := s.find(from)
	j := i
	for j < len(*s) && (*s)[j].from <= to {
		j++
	}
	if i == j { // touches none
		if len(*s) >= most {
			return false
		}
		*s = slices.Insert(*s, i, span{from, to})
		return true
	}
	(*s)[i] = span{min(from, (*s)[i].from), max(to, (*s)[j-1].to)}
	*s = slices.Delete(*s, i+1, j)
	return true
}

// cover adds from up to, but not, to, and keeps to most spans by adding also what
// lies between it and its nearest neighbour.
func (s *spans) cover(from, to uint64, most int) {
	if s.add(from, to, most) {
		return
	}
	i := s.find(from) // it touches none
	if i == len(*s) || i > 0 && from-(*s)[i-1].to <= (*s)[i].from-to {
		from = (*s)[i-1].to
	} else {
		to = (*s)[i].from
	}
	s.add(from, to, most)
}

// remove removes from up to, but not, to. Where that would leave more than most
// spans, it removes nothing.
func (s *spans) remove(from, to uint64, most int) {
	i := s.find(from)
	if i < len(*s) && (*s)[i].to == from {
		i++
	}
	j := i
	for j < len(*s) && (*s)[j].from < to {
		j++
	}
	if i == j {
		return
	}
	head, tail := span{(*s)[i].from, from}, span{to, (*s)[j-1].to}
	switch before, after := head.from < head.to, tail.from < tail.to; {
	case before && after:
		if i+1 < j {
			(*s)[i], (*s)[i+1] = head, tail
			*s = slices.Delete(*s, i+2, j)
		} else if len(*s) < most {
			(*s)[i] = head
			*s = slices.Insert(*s, i+1, tail)
		}
	case before:
		(*s)[i] = head
		*s = slices.Delete(*s, i+1, j)
	case after:
		(*s)[i] = tail
		*s = slices.Delete(*s, i+1, j)
	default:
		*s = slices.Delete(*s, i, j)
	}
}

// cut removes everything below v.
func (s *spans) cut(v uint64) {
	n := 0
	for n < len(*s) && (*s)[n].to <= v {
		n++
	}
	*s = slices.Delete(*s, 0, n)
	if len(*s) > 0 {
		(*s)[0].from = max((*s)[0].from, v)
	}
}

// meets reports whether s and the numbers from up to, but not, to have one in common.
func (s spans) meets(from, to uint64) bool {
	i := s.find(from + 1)
	return i < len(s) && s[i].from < to
}
