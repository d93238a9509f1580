package httpapi

import (
	"maps"
	"slices"

	"github.com/dialnote/webhooks/pkg/webhook"
)

// readHeaders returns the headers of a request to create, in the order of their
// names, so that the same request always gets the same answer.
func readHeaders(given *map[string]string) []webhook.Header {
	if given == nil {
		return nil
	}
	headers := make([]webhook.Header, 0, len(*given))
	for _, name := range slices.Sorted(maps.Keys(*given)) {
		headers = append(headers, webhook.Header{Name: name, Value: webhook.HeaderValue((*given)[name])})
	}
	return headers
}

// readHeaderChanges returns the headers of a merge patch: null removes one.
func readHeaderChanges(given *map[string]*string) []webhook.HeaderChange {
	if given == nil {
		return nil
	}
	changes := make([]webhook.HeaderChange, 0, len(*given))
	for _, name := range slices.Sorted(maps.Keys(*given)) {
		c := webhook.HeaderChange{Name: name, Remove: true}
		if value := (*given)[name]; value != nil {
			c.Value, c.Remove = webhook.HeaderValue(*value), false
		}
		changes = append(changes, c)
	}
	return changes
}

// presentHeaders returns headers with masks for values.
func presentHeaders(headers []webhook.Header) map[string]string {
	shown := make(map[string]string, len(headers))
	for _, h := range headers {
		shown[h.Name] = webhook.HeaderMask
	}
	return shown
}
