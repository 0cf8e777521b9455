"""`inventory-match soak`: photos with known truth, real processes, and a seeded saboteur; what was lost or doubled is counted.

Read `plan.py` (what is uploaded and what must come of it), then `run.py` (the storm and the calm after it), then the
saboteurs: `acts.py` ends processes and servers, `s3_faults.py` and `sqs_events.py` lie on the way in, `receivers.py` on the
way out. `subject.py` is what is tried: our product, or anything else that answers the same questions.
"""
