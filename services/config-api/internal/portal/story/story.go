// Package story shows every page, card, row, dialog and error of the settings
// page from made-up data: to look at, to photograph, and to test in a browser.
// It is no part of a service.
package story

import (
	"time"

	"github.com/dialnote/webhooks/services/config-api/internal/portal/render"
	"github.com/dialnote/webhooks/services/config-api/internal/portal/view"
)

// Story is one page in one state.
type Story struct {
	Name     string // in its address
	Title    string
	Dialog   bool // shown in the dialog, on top of the cards
	Template string
	Frame    render.Frame
	Body     any
}

// clock is the time of all stories.
func clock() view.Clock {
	return view.Clock{Now: time.Date(2026, 11, 23, 10, 30, 0, 0, time.UTC), Zone: time.UTC}
}

// All returns the stories, in the order in which they are listed.
func All() []Story {
	var all []Story
	for _, chapter := range [][]Story{cardStories(), formStories(), askStories(), testStories(), logStories(), webhookStories(), settingStories(), noticeStories()} {
		all = append(all, chapter...)
	}
	for i := range all {
		if f := &all[i].Frame; f.Title == "" {
			f.Title = all[i].Title
		}
	}
	return all
}

// tab is the frame of a page under a tab.
func tab(name string) render.Frame {
	return render.Frame{Tab: name, Organization: "acme", Person: "anna@acme.example"}
}
