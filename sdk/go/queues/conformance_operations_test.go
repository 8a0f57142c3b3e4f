package queues

import (
	"context"
)

var calls = map[string]operation{
	"create": func(ctx context.Context, c *Client, g given) (any, error) {
		queue, err := c.CreateContext(ctx, CreateParams{Name: g.text("name"), Config: g.config()})
		return of(queue, err)
	},
	"update": func(ctx context.Context, c *Client, g given) (any, error) {
		queue, err := c.Update(ctx, g.text("name"), g.config())
		return of(queue, err)
	},
	"get": func(ctx context.Context, c *Client, g given) (any, error) {
		queue, err := c.Get(ctx, g.text("name"))
		return of(queue, err)
	},
	"list": func(ctx context.Context, c *Client, g given) (any, error) {
		found, err := c.List(ctx, g.text("prefix"))
		return of(found, err, "queues")
	},
	"pause": func(ctx context.Context, c *Client, g given) (any, error) {
		queue, err := c.Pause(ctx, g.text("name"), g.directions()...)
		return of(queue, err)
	},
	"resume": func(ctx context.Context, c *Client, g given) (any, error) {
		queue, err := c.Resume(ctx, g.text("name"), g.directions()...)
		return of(queue, err)
	},
	"purge": func(ctx context.Context, c *Client, g given) (any, error) {
		gone, err := c.Purge(ctx, g.text("name"))
		return of(gone, err, "messages")
	},
	"delete": func(ctx context.Context, c *Client, g given) (any, error) {
		gone, err := c.Delete(ctx, g.text("name"))
		return of(gone, err, "messages")
	},
	"enqueue": func(ctx context.Context, c *Client, g given) (any, error) {
		enqueued, err := c.EnqueueContext(ctx, g.enqueueParams())
		if err != nil {
			return nil, err
		}
		return enqueuedFields(*enqueued), nil
	},
	"enqueueBatch": func(ctx context.Context, c *Client, g given) (any, error) {
		results, err := c.EnqueueBatch(ctx, BatchParams{
			Queue: g.text("queue"), Messages: g.enqueueAll("messages"), Atomic: g.flag("atomic"),
		})
		all := []any{}
		for _, one := range results {
			all = append(all, entryFields(one))
		}
		return of(all, err, "results")
	},
	"receive": func(ctx context.Context, c *Client, g given) (any, error) {
		received, err := c.Receive(ctx, ReceiveParams{
			Queue: g.text("queue"), MaxMessages: g.int("maxMessages"), WaitTime: g.seconds("waitTime"),
			VisibilityTimeout: g.seconds("visibilityTimeout"), ConsumerGroup: g.text("consumerGroup"),
			ConsumerID: g.text("consumerId"),
		})
		return of(received, err)
	},
	"ack": func(ctx context.Context, c *Client, g given) (any, error) {
		message, err := g.message(c)
		if err != nil {
			return nil, err
		}
		acked, err := c.Ack(ctx, message, g.ackParams())
		if err != nil {
			return nil, err
		}
		all := []any{}
		for _, one := range acked.Enqueued {
			all = append(all, enqueuedFields(one))
		}
		return fields{"already": acked.Already, "enqueued": all}, nil
	},
	"ackAll": func(ctx context.Context, c *Client, g given) (any, error) {
		var messages []*Message
		for _, one := range g["messages"].([]any) {
			message, err := given{"message": one}.message(c)
			if err != nil {
				return nil, err
			}
			messages = append(messages, message)
		}
		all := []any{}
		for _, err := range c.AckAll(ctx, messages...) {
			if err == nil {
				all = append(all, nil)
			} else {
				all = append(all, raised(err))
			}
		}
		return fields{"errors": all}, nil
	},
	"nack": func(ctx context.Context, c *Client, g given) (any, error) {
		message, err := g.message(c)
		if err != nil {
			return nil, err
		}
		returned, err := c.Nack(ctx, message, NackParams{
			Delay: g.seconds("delay"), Priority: g.int("priority"), Error: g.text("error"), Reject: g.flag("reject"),
		})
		return of(returned, err)
	},
	"release": func(ctx context.Context, c *Client, g given) (any, error) {
		message, err := g.message(c)
		if err != nil {
			return nil, err
		}
		returned, err := c.Release(ctx, message, g.seconds("delay"))
		return of(returned, err)
	},
	"extend": func(ctx context.Context, c *Client, g given) (any, error) {
		message, err := g.message(c)
		if err != nil {
			return nil, err
		}
		until, err := c.Extend(ctx, message, g.seconds("visibilityTimeout"))
		return of(until, err, "leasedUntil")
	},
	"getMessage": func(ctx context.Context, c *Client, g given) (any, error) {
		view, err := c.GetMessage(ctx, g.text("messageId"))
		return viewFields(view), err
	},
	"peek": func(ctx context.Context, c *Client, g given) (any, error) {
		page, err := c.Peek(ctx, g.text("queue"), PeekParams{
			State: State(g.text("state")), OrderingKey: g.text("orderingKey"), FairnessKey: g.text("fairnessKey"),
			Reason: DeathReason(g.text("reason")), Limit: g.int("limit"), After: g.text("after"),
		})
		if err != nil {
			return nil, err
		}
		all := []any{}
		for _, view := range page.Messages {
			all = append(all, viewFields(&view))
		}
		return fields{"messages": all, "next": plain(page.Next)}, nil
	},
	"explain": func(ctx context.Context, c *Client, g given) (any, error) {
		explained, err := c.Explain(ctx, g.text("messageId"), ExplainParams{
			ConsumerGroup: g.text("consumerGroup"), ConsumerID: g.text("consumerId"),
		})
		return of(explained, err)
	},
	"updateMessage": func(ctx context.Context, c *Client, g given) (any, error) {
		view, err := c.UpdateMessage(ctx, g.text("messageId"), Change{g.seconds("delay"), g.int("priority")})
		return viewFields(view), err
	},
	"runNow": func(ctx context.Context, c *Client, g given) (any, error) {
		view, err := c.RunNow(ctx, g.text("messageId"))
		return viewFields(view), err
	},
	"cancelMessage": func(ctx context.Context, c *Client, g given) (any, error) {
		return fields{}, c.CancelMessage(ctx, g.text("messageId"))
	},
	"createGroup": func(ctx context.Context, c *Client, g given) (any, error) {
		group, err := c.CreateGroup(ctx, g.text("queue"), g.text("name"))
		return of(group, err)
	},
	"listGroups": func(ctx context.Context, c *Client, g given) (any, error) {
		groups, err := c.ListGroups(ctx, g.text("queue"))
		return of(groups, err, "groups")
	},
	"getGroup": func(ctx context.Context, c *Client, g given) (any, error) {
		group, err := c.GetGroup(ctx, g.text("queue"), g.text("group"))
		return of(group, err)
	},
	"deleteGroup": func(ctx context.Context, c *Client, g given) (any, error) {
		gone, err := c.DeleteGroup(ctx, g.text("queue"), g.text("group"))
		return of(gone, err, "messages")
	},
	"heartbeat": func(ctx context.Context, c *Client, g given) (any, error) {
		until, err := c.Heartbeat(ctx, g.text("queue"), g.text("group"), g.text("consumerId"))
		return of(until, err, "sessionUntil")
	},
	"leaveGroup": func(ctx context.Context, c *Client, g given) (any, error) {
		released, err := c.LeaveGroup(ctx, g.text("queue"), g.text("group"), g.text("consumerId"))
		return of(released, err, "released")
	},
	"redrive": func(ctx context.Context, c *Client, g given) (any, error) {
		params := RedriveParams{
			IDs: g.texts("ids"), Destination: g.text("destination"), SweepParams: g.sweepParams(),
		}
		if g["filter"] != nil {
			filter := g.filter()
			params.Filter = &filter
		}
		sweep, err := c.Redrive(ctx, g.text("queue"), params)
		return of(sweep, err)
	},
	"cancelMessages": func(ctx context.Context, c *Client, g given) (any, error) {
		sweep, err := c.CancelMessages(ctx, g.text("queue"), g.filter(), g.sweepParams())
		return of(sweep, err)
	},
	"updateMessages": func(ctx context.Context, c *Client, g given) (any, error) {
		change := Change{g.seconds("delay"), g.int("priority")}
		sweep, err := c.UpdateMessages(ctx, g.text("queue"), g.filter(), change, g.sweepParams())
		return of(sweep, err)
	},
	"getSweep": func(ctx context.Context, c *Client, g given) (any, error) {
		sweep, err := c.GetSweep(ctx, g.text("sweep"))
		return of(sweep, err)
	},
	"cancelSweep": func(ctx context.Context, c *Client, g given) (any, error) {
		sweep, err := c.CancelSweep(ctx, g.text("sweep"))
		return of(sweep, err)
	},
	"listSweeps": func(ctx context.Context, c *Client, g given) (any, error) {
		sweeps, err := c.ListSweeps(ctx)
		return of(sweeps, err, "sweeps")
	},
	"waitForSweep": func(ctx context.Context, c *Client, g given) (any, error) {
		if timeout := g.seconds("timeout"); timeout > 0 {
			bounded, cancel := context.WithTimeout(ctx, timeout.Duration())
			defer cancel()
			ctx = bounded
		}
		sweep, err := c.WaitForSweep(ctx, g.text("sweep"), nil)
		return of(sweep, err)
	},
}
