"""Every detector of MMDetection's model zoo on trial: which are in scope, and does it work?"""
