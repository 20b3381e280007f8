"""Merge syntaxes of mail providers, converted to the Jinja2 that campaigns are rendered with; pure.

`convert` (in `harness.campaign.syntax.convert`) turns HTML or text with merge tags of Mailchimp, Salesforce,
Mustache/Handlebars/Mustachio, SendGrid, Liquid/Klaviyo/Braze or HubSpot into a template that renders the same.
`harness.campaign.returned` finds the message that a bounce brings back, `harness.campaign.received` takes off what its
way added, and `harness.run.intake` writes a campaign folder of either. How a message is cut into factors is no part of
this.

What a converted template asks of the environment it is rendered in:

- no autoescape: where the original escapes, the template says `|e`;
- undefined fields are errors in an output; conditions, loops and defaults say `|default(...)` where the original is
  lenient;
- a name that Jinja2 can't take (`Client-ID`, `LIST:COMPANY`, `First Name`) goes by its alias (`Client_ID`); merge rows
  keep the name that production has, and are rendered under both (`harness.campaign.naming`).
"""
